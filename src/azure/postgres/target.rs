//! Which of several servers a connection is to lead to.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::error::InvalidConfig;

/// Which of the hosts will do.
///
/// # Example
///
/// ```
/// use seawall::azure::postgres::Target;
///
/// assert_eq!(Target::PreferStandby.name(), "prefer-standby");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Target {
    /// Any that answers.
    Any,
    /// One that only reads, and any other if there is none. tokio-postgres does not have this one.
    PreferStandby,
    /// One that only reads: a standby.
    ReadOnly,
    /// One that takes writes: the primary.
    ReadWrite,
}

impl Target {
    /// What `libpq` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::PreferStandby => "prefer-standby",
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

/// One [`Config`] for each host that `config` names, in its order, with timeouts where it has none.
pub(super) fn split(config: &Config) -> Result<Vec<Config>, InvalidConfig> {
    let (hosts, addresses, ports) =
        (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(InvalidConfig::new("host", "at least one"));
    }
    if count > MAX_HOSTS {
        return Err(InvalidConfig::new("host", "at most 32 of them"));
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(InvalidConfig::new("hostaddr", "as many as there are hosts"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(InvalidConfig::new("port", "one, or one for each host"));
    }
    let one = |n: usize| {
        let mut one = shared(config);
        match hosts.get(n) {
            Some(Host::Tcp(host)) => {
                one.host(host);
            }
            #[cfg(unix)]
            Some(Host::Unix(folder)) => {
                one.host_path(folder);
            }
            None => {}
        }
        if let Some(address) = addresses.get(n) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(n).or(ports.first()) {
            one.port(*port);
        }
        one
    };
    Ok((0..count).map(one).collect())
}

/// All of `config` but its hosts.
fn shared(config: &Config) -> Config {
    let mut shared = Config::new();
    if let Some(user) = config.get_user() {
        shared.user(user);
    }
    if let Some(password) = config.get_password() {
        shared.password(password);
    }
    if let Some(name) = config.get_dbname() {
        shared.dbname(name);
    }
    if let Some(options) = config.get_options() {
        shared.options(options);
    }
    if let Some(name) = config.get_application_name() {
        shared.application_name(name);
    }
    let idle = config.get_keepalives_idle();
    shared
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts())
        .connect_timeout(config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT))
        .tcp_user_timeout(config.get_tcp_user_timeout().copied().unwrap_or(TCP_USER_TIMEOUT))
        .keepalives(config.get_keepalives())
        // The system's own two hours are as good as none.
        .keepalives_idle(if idle == TWO_HOURS { KEEPALIVES_IDLE } else { idle })
        .keepalives_interval(config.get_keepalives_interval().unwrap_or(KEEPALIVES_INTERVAL))
        .keepalives_retries(config.get_keepalives_retries().unwrap_or(KEEPALIVES_RETRIES));
    shared
}

/// The same host, which must be of that kind.
pub(super) fn of_kind(config: &Config, kind: TargetSessionAttrs) -> Config {
    let mut config = config.clone();
    config.target_session_attrs(kind);
    config
}

const MAX_HOSTS: usize = 32;

/// For each address that a name has.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_RETRIES: u32 = 3;
const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_port_and_its_address_and_all_of_the_rest() {
        let config = "host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2 user=u password=p dbname=d \
                      options=o application_name=n sslmode=require channel_binding=disable";

        let all = split(&config.parse().unwrap()).unwrap();

        assert_eq!(all.len(), 2);
        for (n, one) in all.iter().enumerate() {
            assert_eq!(one.get_hosts(), [Host::Tcp(["a", "b"][n].to_owned())]);
            assert_eq!(one.get_hostaddrs()[0].to_string(), ["10.0.0.1", "10.0.0.2"][n]);
            assert_eq!(one.get_ports(), [[1, 2][n]]);
            assert_eq!(shared(one), shared(&config.parse().unwrap()));
            assert_eq!((one.get_user(), one.get_password()), (Some("u"), Some(&b"p"[..])));
            assert_eq!((one.get_dbname(), one.get_options()), (Some("d"), Some("o")));
            assert_eq!(one.get_application_name(), Some("n"));
            assert_eq!(one.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
            let binding = tokio_postgres::config::ChannelBinding::Disable;
            assert_eq!(one.get_channel_binding(), binding);
        }
    }

    #[test]
    fn one_port_is_that_of_all_hosts_and_a_folder_is_a_host() {
        let config = "host=a,b,/run/postgresql port=7".parse().unwrap();

        let ports: Vec<_> = split(&config).unwrap().iter().map(|one| one.get_ports()[0]).collect();

        assert_eq!(ports, [7, 7, 7]);
        let last = &split(&config).unwrap()[2];
        assert_eq!(last.get_hosts(), [Host::Unix("/run/postgresql".into())]);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let many = ["h"; 33].join(",");
        for (config, field) in [
            ("user=u".to_owned(), "host"),
            (format!("host={many}"), "host"),
            ("host=a,b hostaddr=10.0.0.1".to_owned(), "hostaddr"),
            ("host=a,b,c port=1,2".to_owned(), "port"),
        ] {
            let error = split(&config.parse().unwrap()).unwrap_err();
            assert_eq!(error.field(), field, "{config}");
        }
    }

    #[test]
    fn a_server_that_is_gone_is_found_out_unless_the_caller_wants_otherwise() {
        let one = split(&"host=a".parse().unwrap()).unwrap().swap_remove(0);
        assert_eq!(one.get_connect_timeout(), Some(&Duration::from_secs(5)));
        assert_eq!(one.get_tcp_user_timeout(), Some(&Duration::from_secs(10)));
        assert_eq!(one.get_keepalives_idle(), Duration::from_secs(30));
        assert_eq!(one.get_keepalives_interval(), Some(Duration::from_secs(5)));
        assert_eq!((one.get_keepalives(), one.get_keepalives_retries()), (true, Some(3)));

        let own = "host=a connect_timeout=1 tcp_user_timeout=2 keepalives_idle=4 \
                   keepalives_interval=6 keepalives_retries=7 keepalives=0";
        let one = split(&own.parse().unwrap()).unwrap().swap_remove(0);
        assert_eq!(one.get_connect_timeout(), Some(&Duration::from_secs(1)));
        assert_eq!(one.get_tcp_user_timeout(), Some(&Duration::from_secs(2)));
        assert_eq!(one.get_keepalives_idle(), Duration::from_secs(4));
        assert_eq!(one.get_keepalives_interval(), Some(Duration::from_secs(6)));
        assert_eq!((one.get_keepalives(), one.get_keepalives_retries()), (false, Some(7)));
    }

    #[test]
    fn targets_are_called_as_everywhere() {
        let names = [Target::Any, Target::PreferStandby, Target::ReadOnly, Target::ReadWrite]
            .map(Target::name);

        assert_eq!(names, ["any", "prefer-standby", "read-only", "read-write"]);
    }
}
