//! A server that says what a test wants it to, over a pipe.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_postgres::{Client, Config, Error, NoTls};

/// A client, its connection, and the server's end of the pipe after the handshake.
pub(super) async fn session() -> (
    Client,
    tokio_postgres::Connection<DuplexStream, tokio_postgres::tls::NoTlsStream>,
    DuplexStream,
) {
    let (client, mut server) = duplex(4_096);
    let greet = async {
        read_startup(&mut server).await;
        server.write_all(&[authenticated(), ready()].concat()).await.unwrap();
    };
    let config = config();
    let (connected, ()) = tokio::join!(config.connect_raw(client, NoTls), greet);
    let (client, connection) = connected.unwrap();
    (client, connection, server)
}

/// What a client makes of a server that answers its greeting with `answer` and says no more.
pub(super) async fn refused_with(answer: &[u8]) -> Error {
    let (client, mut server) = duplex(4_096);
    let answer = async move {
        read_startup(&mut server).await;
        server.write_all(answer).await.unwrap();
    };
    let config = config();
    let (connected, ()) = tokio::join!(config.connect_raw(client, NoTls), answer);
    connected.err().unwrap()
}

/// What a client makes of a server that answers a statement with that error.
pub(super) async fn failed_with(severity: &str, code: &str) -> Error {
    let (client, connection, mut server) = session().await;
    let driver = tokio::spawn(connection);
    let answer = async {
        read_statement(&mut server).await;
        server.write_all(&[error(severity, code), ready()].concat()).await.unwrap();
    };
    let (result, ()) = tokio::join!(client.batch_execute("SELECT"), answer);
    driver.abort();
    result.unwrap_err()
}

pub(super) async fn read_statement(server: &mut DuplexStream) -> Vec<u8> {
    assert_eq!(server.read_u8().await.unwrap(), b'Q');
    read_startup(server).await
}

async fn read_startup(server: &mut DuplexStream) -> Vec<u8> {
    let length = server.read_u32().await.unwrap() as usize;
    let mut rest = vec![0; length - 4];
    server.read_exact(&mut rest).await.unwrap();
    rest
}

pub(super) fn error(severity: &str, code: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mno\0\0");
    message(b'E', fields.as_bytes())
}

pub(super) fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

pub(super) fn authenticated() -> Vec<u8> {
    message(b'R', &[0; 4])
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

fn config() -> Config {
    let mut config = Config::new();
    config.user("orders");
    config
}
