use std::collections::HashSet;
use std::future::{Ready, ready};

use tokio::io::DuplexStream;
use tokio_postgres::tls::{NoTlsStream, TlsConnect};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::*;
use crate::azure::postgres::connection::timed_out;
use crate::azure::postgres::fake::{
    self, failed_with, message, read_statement, refused_with, session,
};

#[tokio::test]
async fn each_code_is_handled_as_the_list_says() {
    use Handling::{BackOff, Never, Reconnect, Rerun, WrongReplica};
    let listed = [
        ("08000", Reconnect, true),
        ("08001", Reconnect, true),
        ("08003", Reconnect, true),
        ("08004", Reconnect, true),
        ("08006", Reconnect, true),
        ("08007", Reconnect, true),
        ("08P01", Reconnect, true),
        ("25006", WrongReplica, false),
        ("40001", Rerun, false),
        ("40003", Reconnect, true),
        ("40P01", Rerun, false),
        ("53000", BackOff, false),
        ("53200", BackOff, false),
        ("53300", BackOff, false),
        ("53400", BackOff, false),
        ("57P01", Reconnect, true),
        ("57P02", Reconnect, true),
        ("57P03", Reconnect, true),
        ("57P05", Reconnect, true),
        ("58000", Reconnect, false),
        ("58030", Reconnect, false),
        ("XX000", Reconnect, false),
    ];
    let unlisted = [
        "00000", "0A000", "22012", "22P02", "23502", "23503", "23505", "23514", "23P01", "25P02",
        "25P03", "28000", "28P01", "3D000", "3F000", "42501", "42601", "42703", "42P01", "53100",
        "54000", "55P03", "57014", "57P04", "58P01", "F0000", "P0001", "XX001", "XX002",
    ];
    assert_eq!(rows().len(), listed.len());
    for (code, handling, gone) in listed {
        let meaning = judge(&failed_with("ERROR", code).await);
        assert_eq!((meaning.handling, meaning.gone), (handling, gone), "{code}");
        assert!(rows().iter().any(|row| row.code() == code && row.ends_the_connection() == gone));
    }
    for code in unlisted {
        let meaning = judge(&failed_with("ERROR", code).await);
        assert_eq!((meaning.handling, meaning.gone), (Never, false), "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_takes_its_statement_along_whatever_the_code() {
    for severity in ["FATAL", "PANIC"] {
        for code in ["53300", "25006", "40001", "57P04", "28P01", "25P03"] {
            assert!(judge(&failed_with(severity, code).await).gone, "{severity} {code}");
        }
    }
}

#[tokio::test]
async fn kinds_tell_failures_apart() {
    let mut kinds = HashSet::new();
    for row in rows() {
        assert!(
            kinds.insert(judge(&failed_with("ERROR", row.code()).await).kind),
            "{}",
            row.code()
        );
    }
    assert!(kinds.insert(judge(&timed_out().await).kind));
    assert!(kinds.insert(judge(&closed().await).kind));
}

#[tokio::test]
async fn what_becomes_of_the_wire_asks_for_another_connection() {
    let cut_off = refused_with(b"").await;
    let in_the_middle = refused_with(b"R\0\0").await;
    let another_protocol = refused_with(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let out_of_turn = refused_with(&message(b'T', &[0, 0])).await;
    let garbled = refused_with(&message(b'E', b"S")).await;
    let nobody_there = {
        // Port 1 of the loopback address has no listener on any machine that is well.
        let mut config = Config::new();
        config.user("orders").host("127.0.0.1").port(1);
        config.connect(NoTls).await.err().unwrap()
    };
    let errors = [
        cut_off,
        in_the_middle,
        another_protocol,
        out_of_turn,
        garbled,
        nobody_there,
        timed_out().await,
        closed().await,
        handshake(io::Error::from(io::ErrorKind::ConnectionReset)).await,
        handshake(io::Error::from(io::ErrorKind::UnexpectedEof)).await,
    ];
    for error in errors {
        let meaning = judge(&error);
        assert_eq!((meaning.handling, meaning.gone), (Handling::Reconnect, true), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_caller_or_the_certificate_does_not_pass() {
    let certificate = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate");
    let errors = [
        handshake(certificate).await,
        handshake("no TLS here").await,
        "port=none".parse::<Config>().unwrap_err(),
        Config::new().connect(NoTls).await.err().unwrap(),
        // A password is asked for, and there is none.
        refused_with(&message(b'R', &[0, 0, 0, 3])).await,
        refused_with(&message(b'R', &[0, 0, 0, 7])).await,
        column().await,
    ];
    for error in errors {
        let meaning = judge(&error);
        assert_eq!((meaning.handling, meaning.gone), (Handling::Never, false), "{error:?}");
    }
}

#[test]
fn the_manual_has_the_table_as_it_is() {
    let manual = include_str!("../../../manual/postgres.rs");
    let shown: Vec<&str> = manual.lines().filter(|line| line.starts_with("//! | `")).collect();

    let table: Vec<String> = rows()
        .iter()
        .map(|row| {
            let open = if row.ends_the_connection() { "yes" } else { "no" };
            format!("//! | `{}` | `{}` | {} | {open} |", row.code(), row.name(), row.handling())
        })
        .collect();

    assert_eq!(shown, table);
}

/// What a client makes of a server that ends the session between two statements.
async fn closed() -> Error {
    let (client, connection, server) = session().await;
    let driver = tokio::spawn(connection);
    drop(server);
    driver.await.unwrap().unwrap_err();
    client.batch_execute("SELECT").await.unwrap_err()
}

async fn column() -> Error {
    use tokio::io::AsyncWriteExt;

    let (client, connection, mut server) = session().await;
    tokio::spawn(connection);
    let row = [message(b'T', &[0, 0]), message(b'D', &[0, 0])].concat();
    let end = [message(b'C', b"SELECT 1\0"), fake::ready()].concat();
    let answer = async {
        read_statement(&mut server).await;
        server.write_all(&[row, end].concat()).await.unwrap();
    };
    let (messages, ()) = tokio::join!(client.simple_query("SELECT"), answer);
    let messages = messages.unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.unwrap().try_get("count").unwrap_err()
}

/// What a client makes of a TLS library that says so.
async fn handshake(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    use tokio::io::AsyncWriteExt;

    struct Fails(Box<dyn std::error::Error + Send + Sync>);

    impl TlsConnect<DuplexStream> for Fails {
        type Stream = NoTlsStream;
        type Error = Box<dyn std::error::Error + Send + Sync>;
        type Future = Ready<Result<NoTlsStream, Self::Error>>;

        fn connect(self, _: DuplexStream) -> Self::Future {
            ready(Err(self.0))
        }
    }

    let (client, mut server) = tokio::io::duplex(64);
    server.write_all(b"S").await.unwrap();
    let mut config = Config::new();
    config.user("orders").ssl_mode(tokio_postgres::config::SslMode::Require);
    config.connect_raw(client, Fails(error.into())).await.err().unwrap()
}
