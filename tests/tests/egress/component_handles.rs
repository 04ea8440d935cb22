//! A component that forges handles and values, or calls in the wrong order: it traps or gets an
//! error, and the host continues.

use sandbox_net_tests::Trials;

use crate::component_attack::{Attack, End, Failure, INVALID, NO_BODY, SIZED, Step};
use crate::component_guest::Hostile;
use crate::row::Trace;
use crate::world::World;

/// The misuse.
#[derive(Clone, Copy, Debug)]
enum Misuse {
    /// A request on a handle that never existed.
    Never(u32),
    /// A request on a connection that was dropped.
    Closed,
    /// A connection that is dropped twice.
    ClosedTwice,
    /// A request on the handle of an exchange.
    OtherKind,
    /// A request on a handle of another component.
    Foreign,
    /// A host whose text lies outside the memory.
    OutsideMemory,
    /// A host that is not UTF-8.
    NoText,
    /// A kind of body that does not exist.
    NoKind,
    /// A list of fields that lies outside the memory.
    NoFields,
    /// A request before the end of the previous one.
    TooEarly,
    /// TLS after a request.
    LateTls,
    /// A body for a request without one.
    NoBody,
    /// The end of a body that was never written.
    ShortBody,
}

/// How it ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ends {
    /// The component traps; nothing else does.
    Trap,
    /// `invalid`, and the component continues.
    Invalid,
}

/// One misuse.
pub struct Row {
    name: &'static str,
    misuse: Misuse,
    ends: Ends,
}

const fn row(name: &'static str, misuse: Misuse, ends: Ends) -> Row {
    Row { name, misuse, ends }
}

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    row("a handle of 0", Misuse::Never(0), Ends::Trap),
    row("a handle that was never given", Misuse::Never(4242), Ends::Trap),
    row("the largest handle", Misuse::Never(u32::MAX), Ends::Trap),
    row("a handle that was given back", Misuse::Closed, Ends::Trap),
    row("a handle that is given back twice", Misuse::ClosedTwice, Ends::Trap),
    row("a handle of another kind", Misuse::OtherKind, Ends::Trap),
    row("a handle of another component", Misuse::Foreign, Ends::Trap),
    row("a text outside the memory", Misuse::OutsideMemory, Ends::Trap),
    row("a text that is no UTF-8", Misuse::NoText, Ends::Trap),
    row("a kind of body that does not exist", Misuse::NoKind, Ends::Trap),
    row("a list of fields outside the memory", Misuse::NoFields, Ends::Trap),
    row("a request before the end of the one before", Misuse::TooEarly, Ends::Invalid),
    row("TLS after a request", Misuse::LateTls, Ends::Invalid),
    row("a body for a request without one", Misuse::NoBody, Ends::Invalid),
    row("an end of a body that is too short", Misuse::ShortBody, Ends::Invalid),
];

const RULES: &[&str] = &["{good}"];
const GOOD: Attack = Attack::get("127.0.0.1", "{good_port}", "/get");
const ATTACK: Attack = Attack::get("127.0.0.1", "{good_port}", "/attack");
const SLOW: Attack = Attack::get("127.0.0.1", "{good_port}", "/slow");

impl Misuse {
    /// Leads up to the misuse; returns the result of the call.
    async fn commit(self, world: &World, guest: &mut Hostile) -> wasmtime::Result<End> {
        let connection = match GOOD.connect(world, guest).await? {
            Ok(connection) => connection,
            Err(failure) => return Ok(Err(failure)),
        };
        match self {
            Self::Never(handle) => ATTACK.request(world, guest, handle).await,
            Self::Closed => {
                guest.call::<_, ()>("close", (connection,)).await?;
                ATTACK.request(world, guest, connection).await
            }
            Self::ClosedTwice => {
                guest.call::<_, ()>("close", (connection,)).await?;
                guest.call::<_, ()>("close", (connection,)).await?;
                ATTACK.request(world, guest, connection).await
            }
            Self::OtherKind => {
                let exchange = SLOW.begin(world, guest, connection, NO_BODY, 0).await?;
                ATTACK.request(world, guest, given(exchange)).await
            }
            Self::Foreign => {
                let mut other = Hostile::start(world, RULES).await;
                ATTACK.request(world, &mut other, connection).await
            }
            Self::TooEarly => {
                given(SLOW.begin(world, guest, connection, NO_BODY, 0).await?);
                ATTACK.request(world, guest, connection).await
            }
            Self::LateTls => {
                given(GOOD.begin(world, guest, connection, NO_BODY, 0).await?);
                guest
                    .call::<_, ()>("start-tls", (connection, 0_u32, 0_u32, 0_u32))
                    .await?;
                ended(guest, Step::StartTls).await
            }
            Self::OutsideMemory | Self::NoText => self.name(world, guest).await,
            Self::NoKind | Self::NoFields => self.raw_request(guest, connection).await,
            Self::NoBody | Self::ShortBody => self.body(world, guest, connection).await,
        }
    }

    async fn name(self, world: &World, guest: &mut Hostile) -> wasmtime::Result<End> {
        let [text] = guest.put([b"127.0.0.1\xff"]).await;
        let (address, length) = match self {
            Self::NoText => text,
            _ => (0xFFFF_FFF0, 9),
        };
        let port = u32::from(world.good.address().port());
        guest
            .call::<_, ()>("connect", (address, length, port))
            .await?;
        ended(guest, Step::Connect).await
    }

    async fn raw_request(self, guest: &mut Hostile, connection: u32) -> wasmtime::Result<End> {
        let [method, path] = guest.put([b"GET", b"/attack"]).await;
        let (list, kind) = match self {
            Self::NoKind => ((0_u32, 0_u32), 3_u32),
            _ => ((0xFFFF_0000, 0x1000), NO_BODY),
        };
        let head = (method.0, method.1, path.0, path.1, list.0, list.1);
        let parameters = (
            connection, head.0, head.1, head.2, head.3, head.4, head.5, kind, 0_u64,
        );
        guest.call::<_, ()>("request", parameters).await?;
        ended(guest, Step::Request).await
    }

    async fn body(
        self,
        world: &World,
        guest: &mut Hostile,
        connection: u32,
    ) -> wasmtime::Result<End> {
        let (kind, size, call) = match self {
            Self::NoBody => (NO_BODY, 0, "body"),
            _ => (SIZED, 10, "finish"),
        };
        let exchange = given(SLOW.begin(world, guest, connection, kind, size).await?);
        guest.call::<_, ()>(call, (exchange,)).await?;
        ended(guest, Step::Request).await
    }
}

/// How the call that was just made ended.
async fn ended(guest: &mut Hostile, step: Step) -> wasmtime::Result<End> {
    Ok(guest.result(step).await.map(|_| 0))
}

/// The handle of an exchange that must have begun.
fn given(exchange: Result<u32, Failure>) -> u32 {
    exchange.expect("an exchange")
}

async fn check(row: &'static Row) -> Result<(), String> {
    let world = World::start(&[]).await;
    let mut guest = Hostile::start(&world, RULES).await;
    let end = row.misuse.commit(&world, &mut guest).await;
    let as_expected = match (&end, row.ends) {
        (Err(_), Ends::Trap) => true,
        (Ok(Err((_, case, None))), Ends::Invalid) => *case == INVALID,
        _ => false,
    };
    if !as_expected {
        return Err(format!("it ended as {end:?}, not as {:?}", row.ends));
    }
    if world.count(Trace::Request("/attack")).await > 0 {
        return Err("REACHED".to_owned());
    }
    // A component that trapped has ended; its host has not.
    if row.ends == Ends::Trap {
        guest = Hostile::start(&world, RULES).await;
    }
    for attack in [GOOD, ATTACK] {
        let good = attack.carry_out(&world, &mut guest).await;
        if !matches!(good, Ok(Ok(200 | 404))) {
            return Err(format!("the good request gave {good:?}"));
        }
    }
    match world.count(Trace::Request("/attack")).await {
        1 => Ok(()),
        count => Err(format!("the control was seen {count} times")),
    }
}

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    for row in ROWS {
        trials.row(
            "component_handles::a_component_that_forges_a_handle_or_a_value_harms_itself_alone",
            row.name,
            || check(row),
        );
    }
}
