//! Rich health states, as the Application Health extension of scale sets reads them.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use super::reply::Reply;
use super::source::ScaleSetState;

/// The six answers there are.
#[derive(Debug)]
pub(super) struct ScaleSet([[Reply; 2]; 3]);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rich {
    application_health_state: &'static str,
    /// A string that holds an object, as the extension wants it.
    custom_metrics: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomMetrics {
    rolling_upgrade: RollingUpgrade,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RollingUpgrade {
    phase_ordering_number: u32,
    skip_upgrade: bool,
}

impl ScaleSet {
    pub(super) fn new(phase: u32) -> Self {
        let states =
            [ScaleSetState::Healthy, ScaleSetState::Initializing, ScaleSetState::Unhealthy];
        let made =
            Self(states.map(|state| [false, true].map(|skip| reply(&rich(state, phase, skip)))));
        // The first copy of what is shared moves it to where it can be, which allocates.
        made.0.iter().flatten().for_each(|reply| drop(reply.response(false)));
        made
    }

    pub(super) fn reply(&self, state: ScaleSetState, skip_upgrade: bool) -> &Reply {
        &self.0[state as usize][usize::from(skip_upgrade)]
    }
}

/// Always a 200: any other status is `Unknown` to the extension, and that leads to a repair.
fn reply(body: &str) -> Reply {
    Reply::new(StatusCode::OK, "application/json", Bytes::copy_from_slice(body.as_bytes()))
}

fn rich(state: ScaleSetState, phase_ordering_number: u32, skip_upgrade: bool) -> String {
    let rolling_upgrade = RollingUpgrade { phase_ordering_number, skip_upgrade };
    let json = |value: Result<String, _>| value.expect("the keys of all maps are strings");
    json(serde_json::to_string(&Rich {
        application_health_state: match state {
            ScaleSetState::Healthy => "Healthy",
            ScaleSetState::Initializing => "Initializing",
            ScaleSetState::Unhealthy => "Unhealthy",
        },
        custom_metrics: json(serde_json::to_string(&CustomMetrics { rolling_upgrade })),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_extension_reads() {
        assert_eq!(
            rich(ScaleSetState::Healthy, 3, true),
            r#"{"ApplicationHealthState":"Healthy","CustomMetrics":"{\"RollingUpgrade\":{\"PhaseOrderingNumber\":3,\"SkipUpgrade\":true}}"}"#
        );
    }
}
