//! Commits, of which somebody knows when they have ended.

use std::time::Duration;

use tiberius::Row;
use tiberius::error::Error;

use super::connection::Connection;
use super::judge;
use crate::azure::database::Handling;
use crate::context;
use crate::sync::{Arc, Mutex};
use crate::time::Clock;

/// Knows the transaction that was to be committed last.
///
/// When the wire is cut at a commit, the server may still be at it, and who reads meanwhile is told
/// what was before. So each transaction takes a lock of a name of its own, which the server keeps
/// until the transaction has ended, one way or the other; who looks asks for the same lock first.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Option<String>>>);

impl Witness {
    /// Waits until that transaction has ended: false if it does not in the time there is.
    pub(super) async fn ended(
        &self,
        connection: &mut Connection,
        clock: &Clock,
    ) -> Result<bool, Error> {
        let Some(name) = self.0.lock().clone() else { return Ok(true) };
        let now = clock.now();
        // Half of the time is the look's own.
        let patience = context::deadline(clock)
            .map_or(PATIENCE, |deadline| (deadline.since(now) / 2).min(PATIENCE));
        let end = now + patience;
        loop {
            // Step by step, for a command must not take longer than tiberius lets it.
            let wait = end.since(clock.now()).min(STEP).as_millis();
            let answer = connection.simple_query(&ask(&name, wait)).await?;
            match first(&answer).and_then(|row| row.try_get::<i32, _>(0).ok().flatten()) {
                Some(0..) => return Ok(true),
                Some(TIMED_OUT) if !clock.has_passed(end) => {}
                _ => return Ok(false),
            }
        }
    }
}

pub(super) async fn commit(connection: &mut Connection) -> Result<(), Error> {
    if let Some(witness) = connection.witness.clone() {
        let name = match connection.simple_query(TAKE).await {
            Ok(answer) => first(&answer).and_then(name),
            // A server that has no such locks: the commit itself says whether there is more to it.
            Err(error) if !connection.is_broken() && is_of_the_lock(&error) => None,
            Err(error) => return Err(error),
        };
        *witness.0.lock() = name;
    }
    connection.commit().await
}

fn is_of_the_lock(error: &Error) -> bool {
    let meaning = judge::meaning(error);
    meaning.handling == Handling::Never && !meaning.gone
}

fn first(results: &[Vec<Row>]) -> Option<&Row> {
    results.iter().flatten().next()
}

/// The name of the lock, if it was granted.
fn name(row: &Row) -> Option<String> {
    let name = row.try_get::<&str, _>(0).ok()??;
    is_name(name).then(|| name.to_owned())
}

/// It goes back into a text of SQL.
fn is_name(name: &str) -> bool {
    name.len() == 36 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Takes a lock that ends with the transaction, and says what it is called.
const TAKE: &str = "DECLARE @name nvarchar(255) = CONVERT(nvarchar(36), NEWID()), @got int; \
     EXEC @got = sp_getapplock @Resource = @name, @LockMode = 'Exclusive', \
     @LockOwner = 'Transaction', @LockTimeout = 0; \
     SELECT CASE WHEN @got >= 0 THEN @name END";

/// Waits so many milliseconds for that lock, and lets it go at once.
fn ask(name: &str, millis: u128) -> String {
    format!(
        "DECLARE @got int; \
         EXEC @got = sp_getapplock @Resource = N'{name}', @LockMode = 'Exclusive', \
         @LockOwner = 'Session', @LockTimeout = {millis}; \
         IF @got >= 0 EXEC sp_releaseapplock @Resource = N'{name}', @LockOwner = 'Session'; \
         SELECT @got"
    )
}

/// What the server says when the lock was not granted in that time.
const TIMED_OUT: i32 = -1;

const STEP: Duration = Duration::from_secs(1);

/// A commit that takes longer waits for something that may never come.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_makes_up_goes_into_a_text() {
        assert!(is_name("6F9619FF-8B86-D011-B42D-00C04FC964FF"));
        for name in ["", "7", "6F9619FF-8B86-D011-B42D-00C04FC964F'", "x; DROP TABLE orders"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_look_waits_for_the_lock_and_lets_it_go() {
        let text = ask("6F9619FF-8B86-D011-B42D-00C04FC964FF", 1_000);

        assert_eq!(text.matches("N'6F9619FF-8B86-D011-B42D-00C04FC964FF'").count(), 2);
        assert!(text.contains("@LockTimeout = 1000;") && text.contains("sp_releaseapplock"));
    }
}
