//! Where each budget ends.

use super::*;

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_budget_ends_at_its_own_number() {
    let meter = Meter::new(Budgets {
        requests: Some(5),
        requests_per_second: Some(2),
        bytes_up: Some(10),
        hosts: Some(1),
        time: Some(Duration::from_secs(60)),
        ..Budgets::default()
    });
    assert_eq!(meter.connect(&host("a.test")), Ok(()));
    assert_eq!(meter.connect(&host("a.test")), Ok(()));
    assert_eq!(meter.connect(&host("b.test")), Err(Limit::Hosts));
    assert_eq!((meter.request(), meter.request()), (Ok(()), Ok(())));
    assert_eq!(meter.request(), Err(Limit::RequestRate));
    tokio::time::advance(Duration::from_millis(600)).await;
    assert_eq!(meter.request(), Ok(()));
    assert_eq!(meter.request(), Err(Limit::RequestRate));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!((meter.request(), meter.request()), (Ok(()), Ok(())));
    assert_eq!(meter.request(), Err(Limit::Requests));
    assert_eq!((meter.has_room_up(10), meter.write(10)), (Ok(()), Ok(())));
    meter.unwritten(4);
    assert_eq!(meter.write(4), Ok(()));
    assert_eq!(meter.read(usize::MAX), Ok(()));
    assert_eq!(meter.room(), Ok(usize::MAX));
    let forever = meter.within_time(std::future::pending::<()>());
    assert_eq!(forever.await, Err(Limit::Time));
    assert_eq!(meter.request(), Err(Limit::Time));
    assert_eq!(meter.connect(&host("a.test")), Err(Limit::Time));
}

#[test]
fn a_budget_of_nothing_allows_nothing() {
    let meter = Meter::new(Budgets {
        requests: Some(0),
        bytes_down: Some(0),
        hosts: Some(0),
        ..Budgets::default()
    });
    assert_eq!(meter.request(), Err(Limit::Requests));
    assert_eq!(meter.connect(&host("a.test")), Err(Limit::Hosts));
    assert_eq!(meter.room(), Ok(1), "to see whether there is an end");
    assert_eq!(meter.read(0), Ok(()));
    assert_eq!(meter.read(1), Err(Limit::BytesDown));
    assert_eq!(meter.room(), Err(Limit::BytesDown));
}

#[test]
fn what_does_not_fit_ends_the_bytes_that_go_out_and_is_not_sent() {
    let meter = Meter::new(Budgets {
        bytes_up: Some(10),
        ..Budgets::default()
    });
    assert_eq!(meter.write(6), Ok(()));
    assert_eq!(meter.write(5), Err(Limit::BytesUp));
    assert_eq!(meter.write(1), Err(Limit::BytesUp));
    meter.unwritten(6);
    assert_eq!(meter.write(1), Err(Limit::BytesUp));
    assert_eq!(meter.has_room_up(0), Err(Limit::BytesUp));
    assert_eq!(meter.request(), Err(Limit::BytesUp));
    assert_eq!(meter.connect(&host("a.test")), Err(Limit::BytesUp));
}

#[test]
fn bytes_that_come_in_end_one_byte_beyond_the_budget() {
    let meter = Meter::new(Budgets {
        bytes_down: Some(10),
        ..Budgets::default()
    });
    assert_eq!((meter.room(), meter.read(4)), (Ok(11), Ok(())));
    assert_eq!((meter.room(), meter.read(6)), (Ok(7), Ok(())));
    assert_eq!((meter.room(), meter.read(0)), (Ok(1), Ok(())));
    assert_eq!(meter.connect(&host("a.test")), Ok(()));
    assert_eq!(meter.read(1), Err(Limit::BytesDown));
    assert_eq!(meter.room(), Err(Limit::BytesDown));
    assert_eq!(meter.request(), Err(Limit::BytesDown));
    assert_eq!(meter.connect(&host("a.test")), Err(Limit::BytesDown));
}

#[tokio::test(start_paused = true)]
async fn names_connections_and_denials_are_bounded_where_no_budget_says_so_too() {
    let budgets = |lookups, connections_per_second, denials| Budgets {
        lookups,
        connections_per_second,
        denials,
        ..Budgets::default()
    };
    for (budgets, lookups, connections, denials) in [
        (budgets(Some(3), Some(2), Some(1)), 3, 2, 1),
        (
            Budgets::default(),
            Budgets::LOOKUPS,
            u64::from(Budgets::CONNECTIONS_PER_SECOND),
            Budgets::DENIALS,
        ),
    ] {
        let meter = Meter::new(budgets);
        for asked in 0..lookups {
            if asked > 0 && asked % connections == 0 {
                assert_eq!(meter.ask(), Err(Limit::ConnectionRate));
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            assert_eq!(meter.lookup(&host("a.test")), Ok(()));
            assert_eq!(meter.ask(), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(meter.ask(), Err(Limit::Lookups));
        assert_eq!(meter.lookup(&host("a.test")), Err(Limit::Lookups));
        for _ in 0..2 {
            assert!((0..connections).all(|_| meter.dial().is_ok()));
            assert_eq!(meter.dial(), Err(Limit::ConnectionRate));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        for _ in 0..denials {
            assert_eq!(meter.check_denials(), Ok(()));
            meter.denied();
        }
        assert_eq!(meter.check_denials(), Err(Limit::Denials));
    }
    assert_eq!(
        Meter::new(budgets(Some(0), None, Some(0))).ask(),
        Err(Limit::Lookups)
    );
}

#[test]
fn a_program_that_waits_for_its_turn_is_not_shut_out() {
    let meter = Meter::new(Budgets {
        denials: Some(1),
        ..Budgets::default()
    });
    for limit in [
        Limit::RequestRate,
        Limit::ConnectionRate,
        Limit::Connections,
        Limit::HostMemory,
    ] {
        meter.limited(limit);
        assert_eq!(meter.check_denials(), Ok(()), "{limit:?}");
    }
    meter.limited(Limit::Hosts);
    assert_eq!(meter.check_denials(), Err(Limit::Denials));
}

#[tokio::test(start_paused = true)]
async fn connections_that_carry_nothing_end_at_their_rate_and_those_that_carry_do_not() {
    let meter = Arc::new(Meter::new(Budgets {
        connections_per_second: Some(20),
        ..Budgets::default()
    }));
    let open = || Opened::new(&meter);
    let opened: Vec<_> = (0..20).map(|_| open().unwrap()).collect();
    assert_eq!(open().err(), Some(Limit::ConnectionRate));
    // Connections that carry requests have the budgets of requests; each counts once.
    opened[0].carries();
    opened[0].carries();
    let carrying = open().unwrap();
    assert_eq!(open().err(), Some(Limit::ConnectionRate));
    carrying.carries();
    for _ in 0..1000 {
        open().unwrap().carries();
    }
    assert!(open().is_ok());
    assert_eq!(open().err(), Some(Limit::ConnectionRate));
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!((0..100).filter(|_| open().is_ok()).count(), 20);
}

#[test]
fn of_few_requests_there_are_few_connections_that_carry_nothing() {
    for (requests, bare) in [(0, 100), (1, 100), (100, 100), (250, 250)] {
        let meter = Arc::new(Meter::new(Budgets {
            requests: Some(requests),
            ..Budgets::default()
        }));
        for _ in 0..bare {
            assert!(Opened::new(&meter).is_ok());
        }
        assert_eq!(Opened::new(&meter).err(), Some(Limit::Requests));
    }
    // Each request has its connection, and as many more may carry no request.
    let meter = Arc::new(Meter::new(Budgets {
        requests: Some(150),
        ..Budgets::default()
    }));
    let open = || Opened::new(&meter);
    for _ in 0..150 {
        let carrying = open().unwrap();
        assert_eq!(meter.request(), Ok(()));
        carrying.carries();
        assert!(open().is_ok());
    }
    assert_eq!(open().err(), Some(Limit::Requests));
}

#[test]
fn a_host_that_is_asked_for_is_counted_like_one_that_is_connected_to() {
    let meter = Meter::new(Budgets {
        hosts: Some(1),
        ..Budgets::default()
    });
    assert_eq!(meter.lookup(&host("a.test")), Ok(()));
    assert_eq!(meter.connect(&host("a.test")), Ok(()));
    assert_eq!(meter.lookup(&host("b.test")), Err(Limit::Hosts));
    assert_eq!(meter.connect(&host("b.test")), Err(Limit::Hosts));
}
