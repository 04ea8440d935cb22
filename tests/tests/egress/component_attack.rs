//! The actions of a hostile component: connect, then TLS, then a request, and where it ends.

use std::net::IpAddr;

use crate::component_guest::Hostile;
use crate::world::World;

/// The absence of a body, as the case of `body-kind`.
pub const NO_BODY: u32 = 0;
/// A body of a size.
pub const SIZED: u32 = 1;

// Cases of `error-code` and `deny-reason`, in the order of the interface.
pub const DENIED: u8 = 0;
pub const INVALID: u8 = 10;

/// What the component does: connect, then TLS, then a request.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// The host's text, with placeholders, like everything below.
    pub host: &'static str,
    /// The port; `+` stands for 65536 more.
    pub port: &'static str,
    /// The server name and whether to verify; `None` stays in plain text.
    pub tls: Option<(&'static str, bool)>,
    /// In Latin-1, as the path and the fields.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Names and values.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Where it ended: at which call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    Resolve,
    /// The lookup's `status`.
    Answer,
    Connect,
    /// The connection's `status`.
    Status,
    StartTls,
    Request,
}

/// Where it ended: the response's status, or a failure.
pub type End = Result<u16, Failure>;

/// The call that failed, its error's case, and the reason of a denial.
pub type Failure = (Step, u8, Option<u8>);

impl Attack {
    /// A GET in plain text.
    pub const fn get(host: &'static str, port: &'static str, path: &'static str) -> Self {
        Self {
            host,
            port,
            tls: None,
            method: "GET",
            path,
            fields: &[],
        }
    }

    /// Carries it out as far as possible.
    pub async fn carry_out(&self, world: &World, guest: &mut Hostile) -> wasmtime::Result<End> {
        let connection = match self.connect(world, guest).await? {
            Ok(connection) => connection,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Some((name, verify)) = self.tls {
            let [name] = guest.put([name.as_bytes()]).await;
            // `verification` begins with `full` and ends with `none`.
            let parameters = (connection, name.0, name.1, if verify { 0_u32 } else { 2 });
            guest.call::<_, ()>("start-tls", parameters).await?;
            if let Err(failure) = guest.result(Step::StartTls).await {
                return Ok(Err(failure));
            }
            if let Err(failure) = settled(guest, connection).await? {
                return Ok(Err(failure));
            }
        }
        self.request(world, guest, connection).await
    }

    /// The handle of an established connection.
    pub async fn connect(
        &self,
        world: &World,
        guest: &mut Hostile,
    ) -> wasmtime::Result<Result<u32, Failure>> {
        let port = world.fill(self.port);
        let port: u32 = match port.strip_prefix('+') {
            Some(port) => 0x1_0000 + port.parse::<u32>()?,
            None => port.parse()?,
        };
        let host = world.fill(self.host);
        let [host] = guest.put([host.as_bytes()]).await;
        guest
            .call::<_, ()>("connect", (host.0, host.1, port))
            .await?;
        let connection = match guest.result(Step::Connect).await {
            Ok(connection) => connection,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(settled(guest, connection).await?.map(|()| connection))
    }

    /// Sends the request on a connection, and returns the connection.
    pub async fn request(
        &self,
        world: &World,
        guest: &mut Hostile,
        connection: u32,
    ) -> wasmtime::Result<End> {
        let exchange = match self.begin(world, guest, connection, NO_BODY, 0).await? {
            Ok(exchange) => exchange,
            Err(failure) => return Ok(Err(failure)),
        };
        guest.call::<_, ()>("wait", (1_u32, exchange)).await?;
        guest.call::<_, ()>("head", (exchange,)).await?;
        let end = match guest.byte(8).await {
            0 => Ok(guest.word(16).await as u16),
            _ => Err(guest.failure(Step::Request, 16).await),
        };
        guest.call::<_, ()>("drop-exchange", (exchange,)).await?;
        guest.call::<_, ()>("close", (connection,)).await?;
        Ok(end)
    }

    /// Sends the request's head; returns the handle of its exchange.
    pub async fn begin(
        &self,
        world: &World,
        guest: &mut Hostile,
        connection: u32,
        kind: u32,
        size: u64,
    ) -> wasmtime::Result<Result<u32, Failure>> {
        let (method, path) = (latin(world, self.method), latin(world, self.path));
        let fields = self.fields.iter().flat_map(|(name, value)| [name, value]);
        let fields: Vec<_> = fields.map(|text| latin(world, text)).collect();
        let bytes = fields.concat();
        // The list of fields has addresses into `bytes`, which comes first.
        let [(mut address, _)] = guest.put([&bytes]).await;
        let mut list = Vec::new();
        for value in &fields {
            list.extend(address.to_le_bytes());
            list.extend((value.len() as u32).to_le_bytes());
            address += value.len() as u32;
        }
        let [_, list, method, path] = guest.put([&bytes, &list, &method, &path]).await;
        let (fields, count) = (list.0, self.fields.len() as u32);
        let parameters = (
            connection, method.0, method.1, path.0, path.1, fields, count, kind, size,
        );
        guest.call::<_, ()>("request", parameters).await?;
        Ok(guest.result(Step::Request).await)
    }
}

/// The text in Latin-1.
fn latin(world: &World, text: &str) -> Vec<u8> {
    world.fill(text).chars().map(|c| c as u8).collect()
}

/// Looks a name up, to the end.
pub async fn look_up(guest: &mut Hostile, host: &str) -> wasmtime::Result<Result<(), Failure>> {
    Ok(told(guest, host).await?.map(drop))
}

/// Looks a name up, to the end; returns the addresses that the component learns.
pub async fn told(
    guest: &mut Hostile,
    host: &str,
) -> wasmtime::Result<Result<Vec<IpAddr>, Failure>> {
    let [host] = guest.put([host.as_bytes()]).await;
    guest.call::<_, ()>("resolve", host).await?;
    let lookup = match guest.result(Step::Resolve).await {
        Ok(lookup) => lookup,
        Err(failure) => return Ok(Err(failure)),
    };
    guest.call::<_, ()>("wait", (2_u32, lookup)).await?;
    guest.call::<_, ()>("answer", (lookup,)).await?;
    let end = match guest.byte(8).await {
        0 => Ok(()),
        _ => Err(guest.failure(Step::Answer, 16).await),
    };
    guest.call::<_, ()>("addresses", (lookup,)).await?;
    let addresses = guest.addresses().await;
    guest.call::<_, ()>("drop-lookup", (lookup,)).await?;
    assert!(end.is_ok() || addresses.is_empty(), "{addresses:?}");
    Ok(end.map(|()| addresses))
}

/// Waits for the end of a connection's current phase.
async fn settled(guest: &mut Hostile, connection: u32) -> wasmtime::Result<Result<(), Failure>> {
    guest.call::<_, ()>("wait", (0_u32, connection)).await?;
    guest.call::<_, ()>("status", (connection,)).await?;
    if guest.byte(8).await == 0 {
        return Ok(Ok(()));
    }
    Ok(Err(guest.failure(Step::Status, 16).await))
}

impl Hostile {
    /// The last result, `result<T, error-code>`: its handle, or the failure.
    pub async fn result(&mut self, step: Step) -> Result<u32, Failure> {
        match self.byte(0).await {
            0 => Ok(self.word(8).await),
            _ => Err(self.failure(step, 8).await),
        }
    }

    /// The error at an offset of the last result. The payload of a case is aligned to 8 bytes, as the
    /// value of a limit is.
    async fn failure(&mut self, step: Step, offset: u32) -> Failure {
        let case = self.byte(offset).await;
        if case != DENIED {
            return (step, case, None);
        }
        let reason = self.byte(offset + 8).await;
        let message = self.text(offset + 20).await;
        assert!(message.starts_with("sandbox-net denied "), "{message}");
        (step, case, Some(reason))
    }
}
