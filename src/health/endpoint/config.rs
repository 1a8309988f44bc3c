//! The settings of endpoints.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::guard::{AppService, Guard};
use super::reply::Replies;
use super::route::{Entry, Table};
use super::scale_set::ScaleSet;
use super::source::Source;
use super::{Endpoints, Route, Shared};
use crate::error::InvalidConfig;
use crate::health::status::{Access, Links, Status};
use crate::health::token::Tokens;
use crate::health::{Format, Group, Registry, Token};
use crate::sync::AtomicBool;
use crate::telemetry::{Environment, Measure};

/// Settings of [`Endpoints`], and their builder. It is checked once, in [`build`](Self::build).
///
/// | setting | default |
/// |---|---|
/// | paths | the table of the [module](super) |
/// | `format_paths` | yes |
/// | `retry_after` | 5 s |
/// | `upgrade_phase` | 0 |
/// | tokens | none: nobody sees details |
/// | `app_service_key` | none: readiness is for everyone |
/// | `status_access` | tokens, and who sits at this machine |
///
/// # Example
///
/// ```
/// use seawall::health::{Endpoints, Format, Group, Registry, Route, Token};
/// use seawall::retry::Retry;
///
/// let retry = Retry::builder().name("orders").build()?;
/// # let from_a_vault = "c2a4e6f81b3d5f7091b3d5f7a2c4e6f80913579bdf02468ace13579bdf024680";
/// let endpoints = Endpoints::builder()
///     .path(Route::Group(Group::READINESS), "/healthz/ready")
///     .group(Group::named("checkout"), "/healthz/checkout")
///     .format(Route::Details, Format::Spring, "/actuator/health")
///     .token(Token::new(from_a_vault)?)
///     .policy(retry.clone())
///     .build(&Registry::new())?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use]
pub struct Config {
    entries: Vec<Entry>,
    format_paths: bool,
    retry_after: Duration,
    upgrade_phase: u32,
    tokens: Tokens,
    app_service: Option<Result<AppService, InvalidConfig>>,
    policies: Vec<Arc<dyn Measure>>,
    status_access: Access,
}

impl Default for Config {
    fn default() -> Self {
        let entries = [
            (Route::Group(Group::LIVENESS), "/livez"),
            (Route::Group(Group::READINESS), "/readyz"),
            (Route::Group(Group::STARTUP), "/startupz"),
            (Route::Group(Group::REGION), "/healthz/region"),
            (Route::ScaleSet, "/vmss"),
            (Route::ScaleSetBinary, "/vmss-binary"),
            (Route::Details, "/health"),
            (Route::Metrics, "/metrics"),
            (Route::Status, "/status"),
            (Route::StatusJson, "/status.json"),
            (Route::StatusEvents, "/status/events"),
        ];
        Self {
            entries: entries.map(|(route, path)| Entry::new(path.into(), route)).into(),
            format_paths: true,
            retry_after: Duration::from_secs(5),
            upgrade_phase: 0,
            tokens: Tokens::default(),
            app_service: None,
            policies: Vec::new(),
            status_access: Access::default(),
        }
    }
}

impl Config {
    /// Answers with `route` at `path`, and no longer where it was answered so far.
    ///
    /// A path is compared as it stands in the request, without decoding, up to its `?`. It starts
    /// with `/`, is at most 256 bytes long, and two routes can not have the same.
    ///
    /// Default: see the [module](super).
    pub fn path(mut self, route: Route, path: impl Into<String>) -> Self {
        self.entries.retain(|entry| entry.route != route || entry.format.is_some());
        self.also(route, path)
    }

    /// Answers with `route` at `path` as well. At most 256 paths in all.
    pub fn also(mut self, route: Route, path: impl Into<String>) -> Self {
        self.entries.push(Entry::new(path.into(), route));
        self
    }

    /// Answers with `route` in `format` at `path` as well, whatever is asked for.
    ///
    /// Routes that have one form only, such as [`Route::ScaleSet`], are answered in that.
    pub fn format(mut self, route: Route, format: Format, path: impl Into<String>) -> Self {
        self.entries.push(Entry { path: path.into(), route, format: Some(format) });
        self
    }

    /// Answers with the verdict of `group` at `path`.
    pub fn group(self, group: Group, path: impl Into<String>) -> Self {
        self.path(Route::Group(group), path)
    }

    /// Does not answer with `route` anywhere.
    pub fn without(mut self, route: Route) -> Self {
        self.entries.retain(|entry| entry.route != route);
        self
    }

    /// Whether what is told in several formats is to be had below its path in each of them, by the
    /// format's [name](Format::name): `/readyz/spring`.
    ///
    /// Default: yes.
    pub fn format_paths(mut self, format_paths: bool) -> Self {
        self.format_paths = format_paths;
        self
    }

    /// When to ask again, for those who are told that something is down: whole seconds, from 1 s to
    /// 1 hour. Liveness does not say it, since waiting cures nothing that is wedged.
    ///
    /// Default: 5 s.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = after;
        self
    }

    /// Which phase of a rolling upgrade of its scale set the instance belongs to: lower ones go
    /// first.
    ///
    /// Default: 0.
    pub fn upgrade_phase(mut self, phase: u32) -> Self {
        self.upgrade_phase = phase;
        self
    }

    /// A token that lets its bearer see details. Several hold at the same time, up to 16, so that
    /// one can replace another.
    ///
    /// Default: none, and nobody sees details.
    pub fn token(mut self, token: Token) -> Self {
        self.tokens.add(token);
        self
    }

    /// Answers for readiness only if App Service asks, and proves it with `key`, the value of
    /// `WEBSITE_AUTH_ENCRYPTION_KEY` in its environment.
    ///
    /// The header `x-ms-auth-internal-token` must hold the base64 form of the key's SHA-256 hash;
    /// it is compared in constant time. Who does not send it gets the same 401 as one without token.
    /// Only App Service on Windows sends it, so leave this out wherever anything else asks for
    /// readiness.
    ///
    /// Default: none, and readiness is for everyone.
    pub fn app_service_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.app_service = Some(AppService::new(key));
        self
    }

    /// Takes [`app_service_key`](Self::app_service_key) from the environment's
    /// `WEBSITE_AUTH_ENCRYPTION_KEY`, if that is there and not empty. It is on Windows App Service,
    /// and nowhere else.
    pub fn app_service_from_env(self) -> Self {
        match std::env::var("WEBSITE_AUTH_ENCRYPTION_KEY") {
            Ok(key) if !key.is_empty() => self.app_service_key(key),
            _ => self,
        }
    }

    /// Shows the levels of `policy` in [`Route::Metrics`] as well: one of your own, or one that is not
    /// among those that are shown anyway, such as a [`Retry`](crate::retry::Retry). It stays alive as
    /// long as the endpoints do.
    ///
    /// Shown anyway are all breakers, bulkheads, limiters and budgets of the process.
    pub fn policy(mut self, policy: impl Measure + 'static) -> Self {
        self.policies.push(Arc::new(policy));
        self
    }

    /// Who may see the [status page](crate::health::status), apart from those who have a token.
    ///
    /// Default: who sits at this machine.
    pub fn status_access(mut self, access: Access) -> Self {
        self.status_access = access;
        self
    }

    /// Makes endpoints that answer from `registry`.
    ///
    /// # Errors
    ///
    /// The first setting that makes no sense.
    pub fn build(self, registry: &Registry) -> Result<Endpoints, InvalidConfig> {
        self.build_in(registry, &Environment::default())
    }

    /// The same with a clock and an observer of one's own, for the limit of failed attempts.
    ///
    /// # Errors
    ///
    /// The first setting that makes no sense.
    pub fn build_in(
        self,
        registry: &Registry,
        environment: &Environment,
    ) -> Result<Endpoints, InvalidConfig> {
        let retry_after = self.retry_after.as_secs();
        if self.retry_after.subsec_nanos() != 0 || !(1..=3_600).contains(&retry_after) {
            let expected = "whole seconds, from 1 s to 1 hour";
            return Err(InvalidConfig::new("retry_after", expected));
        }
        if self.tokens.len() > 16 {
            return Err(InvalidConfig::new("token", "one of at most 16"));
        }
        let table = Table::new(&self.entries, self.format_paths)?;
        let links = Links::new(
            table.path_of(Route::Status).unwrap_or_default(),
            table.path_of(Route::StatusJson),
            table.path_of(Route::StatusEvents),
        );
        let source = Source::new(registry);
        let clock = environment.clock.clone();
        Ok(Endpoints::new(Shared {
            table,
            status: Status::new(self.status_access, links, source.clone(), clock),
            replies: Replies::new(retry_after),
            scale_set: ScaleSet::new(self.upgrade_phase),
            guard: Guard::new(self.tokens, environment)?,
            app_service: self.app_service.transpose()?,
            policies: self.policies,
            source,
            is_busy: AtomicBool::new(false),
        }))
    }
}

/// Without tokens and keys.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("entries", &self.entries)
            .field("format_paths", &self.format_paths)
            .field("retry_after", &self.retry_after)
            .field("upgrade_phase", &self.upgrade_phase)
            .field("tokens", &self.tokens.len())
            .field("app_service", &self.app_service.is_some())
            .field("policies", &self.policies.len())
            .field("status_access", &self.status_access)
            .finish()
    }
}
