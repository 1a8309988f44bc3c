//! Makes calls, and makes them again.

mod attempt;
mod call;

use std::future::Future;

use attempt::{Failure, Mode, Ran};
use call::Call;

use super::settings::Params;
use super::{Database, Handling, Holds, Loan, Server, Settings};
use crate::budget::Budget;
use crate::error::{Error, InvalidConfig, Reject, intern};
use crate::replay::{Safety, Verified};
use crate::rng::Rng;
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::Clock;

/// Makes the calls of one database, to any of its servers.
#[derive(Debug)]
pub(crate) struct Driver {
    params: Params,
    budget: Option<Budget>,
    clock: Clock,
    rng: Rng,
    emitter: Emitter,
    environment: Environment,
}

impl Driver {
    pub(crate) fn new(
        name: &str,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let params = settings.params()?;
        let budget = params
            .budget
            .as_ref()
            .map(|budget| budget.build_for(name, environment))
            .transpose()
            .map_err(|error| error.within("budget"))?;
        Ok(Self {
            params,
            budget,
            clock: environment.clock.clone(),
            rng: environment.rng.clone(),
            emitter: Emitter::new("database", intern(name), environment),
            environment: environment.clone(),
        })
    }

    /// A server of this database.
    pub(crate) fn server<D>(&self, name: &str, database: D) -> Result<Server<D>, InvalidConfig>
    where
        D: Database,
    {
        Server::new(name, database, &self.params, &self.environment)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.emitter.name()
    }

    pub(crate) const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs `operation` on the first of `servers` that can do it.
    ///
    /// What is not safe to repeat is made again only if the operation was not begun.
    pub(crate) async fn run<'s, D, T, E, F>(
        &self,
        servers: impl AsRef<[&'s Server<D>]>,
        safety: Safety,
        mut operation: impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let mut call = Call::begin(self);
        loop {
            match call.attempt(servers.as_ref(), Mode::Plain, &mut operation).await {
                Ok(value) => return Ok(value),
                Err(failure) => call.follow(failure, safety.is_repeatable()).await?,
            }
        }
    }

    /// Runs `operation` in a transaction, and as a whole again.
    ///
    /// When nobody knows whether the commit was executed, `verify` looks, on a connection of its
    /// own.
    pub(crate) async fn transaction<D, T, E, F, V>(
        &self,
        server: &Server<D>,
        mut operation: impl FnMut(Loan<D::Connection>) -> F,
        mut verify: impl FnMut(Loan<D::Connection>) -> V,
    ) -> Result<T, Error<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let mut call = Call::begin(self);
        loop {
            let failure = match call.attempt(&[server], Mode::Transaction, &mut operation).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let error = match failure {
                Failure::Failed { error, ran: Ran::Maybe, .. } => Error::Service(error),
                Failure::Cut { ran: Ran::Maybe } => call.timed_out(),
                failure => {
                    call.follow(failure, false).await?;
                    continue;
                }
            };
            match call.verify(server, &mut verify).await {
                Verified::Executed(value) => return Ok(value),
                // The server has just answered: nothing is to be waited for.
                Verified::NotExecuted => call.wait(error, Handling::Rerun).await?,
                Verified::Unknown => return Err(self.ambiguous(error)),
            }
        }
    }

    fn ambiguous<E>(&self, error: Error<E>) -> Error<E> {
        self.emitter.emit(EventKind::Ambiguous);
        error.ambiguous()
    }
}
