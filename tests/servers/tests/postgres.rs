//! `PostgreSQL`: what a real primary and its standby do to a client, and what is done about it.
#![cfg(unix)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seawall_servers::Postgres;

/// Not a test: what [`servers_die_with_a_test_that_is_killed`] kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another one"]
async fn hold_servers() {
    let Some(servers) = Postgres::start() else { return };
    println!("ports {} {}", servers.port(0), servers.port(1));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_die_with_a_test_that_is_killed() {
    let mut test = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "hold_servers"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ports = lines.find_map(|line| line.split_once("ports ").map(|(_, ports)| ports.to_owned()));
    let Some(ports) = ports else {
        assert!(test.wait().unwrap().success(), "it ends well if there is no PostgreSQL");
        return;
    };
    let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().unwrap()).collect();
    assert_eq!(ports.iter().filter(|port| listens(**port)).count(), 2);

    test.kill().unwrap();
    test.wait().unwrap();

    let begin = Instant::now();
    while ports.iter().any(|port| listens(*port)) {
        assert!(begin.elapsed() < PATIENCE, "a server outlives its test");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

const PATIENCE: Duration = Duration::from_secs(60);
