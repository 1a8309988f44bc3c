use std::net::Ipv4Addr;

use futures_util::FutureExt;
use seawall::health::checks::{dns, tcp};
use seawall::health::{Finding, Verdict};
use tokio::net::TcpListener;

use super::{assert_found, run};

#[tokio::test]
async fn a_port_that_listens_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();

    for address in [address.to_string(), format!("localhost:{}", address.port())] {
        let finding = run(tcp("db", &address)).await;

        assert_found(&finding, Verdict::Healthy, &address);
        assert!(finding.observation().is_some_and(|(took, unit)| took > 0.0 && unit == "s"));
        let (connection, _) = listener.accept().await.unwrap();
        // Closed, and nothing was sent.
        connection.readable().await.unwrap();
        assert_eq!(connection.try_read(&mut [0; 1]).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_down() {
    // Bound and not listening: nobody else can get the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();

    let finding = run(tcp("db", socket.local_addr().unwrap().to_string())).await;

    assert_found(&finding, Verdict::Down, "nobody");
}

#[test]
fn outside_of_a_runtime_a_check_is_down_and_does_not_panic() {
    for address in ["127.0.0.1:1", "db.example:1"] {
        let finding = run(tcp("db", address)).now_or_never().unwrap();

        assert_found(&finding, Verdict::Down, address);
    }
}

#[tokio::test]
async fn names_are_judged_by_what_they_resolve_to() {
    let other = Ipv4Addr::new(127, 9, 9, 9);

    let found = run(dns("names", "localhost")).await;
    assert_found(&found, Verdict::Healthy, "localhost");
    assert!(found.observation().is_some_and(|(_, unit)| unit == "s"));
    let missing = run(dns("names", "localhost").expect(other)).await;
    assert_eq!(
        missing,
        Finding::down("does not resolve to 127.9.9.9")
            .observed(missing.observation().unwrap().0, "s")
    );
    assert_found(&run(dns("names", "localhost").at_least(100)).await, Verdict::Down, "few");
}

#[tokio::test]
async fn a_name_that_is_none_is_down() {
    // No label is empty, so nobody is asked for it.
    assert_found(&run(dns("names", "a..b")).await, Verdict::Down, "a..b");
    assert_found(&run(tcp("db", "a..b:1")).await, Verdict::Down, "a..b:1");
}
