//! What each Azure product asks, and what it concludes from the answers: from the products'
//! documentation, and without a line of what answers.

use serde_json::Value;

/// One question of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) host: &'static str,
    pub(crate) user_agent: &'static str,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Http {
        status: u16,
        body: Vec<u8>,
    },
    /// Refused, cut off, or later than the product waits.
    Nothing,
}

impl Answer {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } => Some(*status),
            Self::Nothing => None,
        }
    }
}

/// A product that probes.
pub(crate) struct Product {
    pub(crate) name: &'static str,
    pub(crate) questions: &'static [Question],
    judge: Judge,
}

/// How a product gets from answers to a conclusion.
enum Judge {
    /// Out after so many failures in a row, in after so many successes.
    InARow { good: fn(&Answer) -> bool, fall: u32, rise: u32, is_in: bool, run: u32, words: Words },
    /// In while so many of the last samples are good.
    Samples { good: fn(&Answer) -> bool, size: usize, needed: usize, last: Vec<bool>, words: Words },
    /// Startup, liveness and readiness, in this order.
    Probes { good: fn(&Answer) -> bool, failures: [u32; 3], fall: [u32; 3], started: bool },
    /// Reads the state from the body.
    Rich { state: &'static str },
}

/// The words for in and for out.
type Words = (&'static str, &'static str);

impl Product {
    /// Takes the answers to its questions, in their order, as one probe interval's.
    pub(crate) fn observe(&mut self, answers: &[Answer]) {
        match &mut self.judge {
            Judge::InARow { good, fall, rise, is_in, run, .. } => {
                if good(&answers[0]) == *is_in {
                    *run = 0;
                } else {
                    *run += 1;
                    if *run >= if *is_in { *fall } else { *rise } {
                        *is_in = !*is_in;
                        *run = 0;
                    }
                }
            }
            Judge::Samples { good, size, last, .. } => {
                last.push(good(&answers[0]));
                if last.len() > *size {
                    last.remove(0);
                }
            }
            Judge::Probes { good, failures, started, .. } => {
                *started |= good(&answers[0]);
                for (failures, answer) in failures.iter_mut().zip(answers) {
                    *failures = if good(answer) { 0 } else { *failures + 1 };
                }
            }
            Judge::Rich { state } => *state = rich(&answers[0], state),
        }
    }

    /// What it holds of the instance now.
    pub(crate) fn concludes(&self) -> &'static str {
        match &self.judge {
            Judge::InARow { is_in, words, .. } => {
                if *is_in {
                    words.0
                } else {
                    words.1
                }
            }
            Judge::Samples { needed, last, words, .. } => {
                let good = last.iter().filter(|good| **good).count();
                if good >= *needed { words.0 } else { words.1 }
            }
            // Liveness and readiness are not asked before startup has passed.
            Judge::Probes { failures, fall, started: false, .. } => {
                if failures[0] >= fall[0] {
                    "restart"
                } else {
                    "waits"
                }
            }
            Judge::Probes { failures, fall, started: true, .. } => {
                if failures[1] >= fall[1] {
                    "restart"
                } else if failures[2] >= fall[2] {
                    "not ready"
                } else {
                    "ready"
                }
            }
            Judge::Rich { state } => state,
        }
    }

    /// How many intervals it takes at most to come to another conclusion, once it has heard of the
    /// instance.
    pub(crate) fn intervals(&self) -> usize {
        match &self.judge {
            Judge::Probes { started: false, .. } | Judge::Rich { .. } => 1,
            Judge::InARow { fall, rise, .. } => (*fall).max(*rise) as usize,
            Judge::Samples { size, .. } => *size,
            Judge::Probes { fall, .. } => fall[1].max(fall[2]) as usize,
        }
    }
}

/// The extension takes two values from an application, and holds all else for unknown, except that
/// an instance that was never heard of goes on being initialised.
fn rich(answer: &Answer, before: &'static str) -> &'static str {
    let stated = match answer {
        Answer::Http { status: 200..=299, body } => serde_json::from_slice::<Value>(body).ok(),
        _ => None,
    };
    match stated.as_ref().and_then(|body| body["ApplicationHealthState"].as_str()) {
        Some("Healthy") => "Healthy",
        Some("Unhealthy") => "Unhealthy",
        _ if before == "Initializing" => "Initializing",
        _ => "Unknown",
    }
}

fn ok_only(answer: &Answer) -> bool {
    answer.status() == Some(200)
}

fn any_2xx(answer: &Answer) -> bool {
    matches!(answer.status(), Some(200..=299))
}

fn below_400(answer: &Answer) -> bool {
    matches!(answer.status(), Some(200..=399))
}

/// The default statuses, and the body match that the manual recommends.
fn below_400_and_says_healthy(answer: &Answer) -> bool {
    let Answer::Http { body, .. } = answer else { return false };
    below_400(answer) && String::from_utf8_lossy(body).contains(r#""status":"Healthy""#)
}

/// Each product at its defaults, as it finds an instance that it has never seen.
pub(crate) fn all() -> Vec<Product> {
    const ROTATION: Words = ("in", "out");

    let question = |path, host, user_agent| -> &'static [Question] {
        Box::leak(Box::new([Question { method: "GET", path, host, user_agent }]))
    };
    let kubelet = |path| Question {
        method: "GET",
        path,
        host: "10.1.0.7:8080",
        user_agent: "kube-probe/1.34",
    };
    let probes = || -> &'static [Question] {
        Box::leak(Box::new(["/startupz", "/livez", "/readyz"].map(kubelet)))
    };
    let in_a_row =
        |good, fall, rise, words| Judge::InARow { good, fall, rise, is_in: false, run: 0, words };
    vec![
        Product {
            name: "Load Balancer",
            questions: question("/readyz", "10.1.0.7", "Load Balancer Agent"),
            judge: in_a_row(ok_only, 1, 1, ROTATION),
        },
        Product {
            name: "Application Gateway",
            questions: question("/readyz", "127.0.0.1", ""),
            judge: in_a_row(below_400_and_says_healthy, 3, 1, ROTATION),
        },
        Product {
            name: "Traffic Manager",
            questions: question(
                "/healthz/region",
                "shop-weu.example.net",
                "Azure Traffic Manager Endpoint Monitor",
            ),
            judge: in_a_row(ok_only, 4, 1, ("Online", "Degraded")),
        },
        Product {
            name: "Front Door",
            questions: &[Question {
                method: "HEAD",
                path: "/healthz/region",
                host: "shop-weu.example.net",
                user_agent: "Edge Health Probe",
            }],
            judge: Judge::Samples {
                good: ok_only,
                size: 4,
                needed: 3,
                last: Vec::new(),
                words: ROTATION,
            },
        },
        Product {
            name: "App Service",
            questions: question("/readyz", "shop.azurewebsites.example", "HealthCheck/1.0"),
            judge: in_a_row(any_2xx, 10, 1, ROTATION),
        },
        Product {
            name: "Container Apps",
            questions: probes(),
            judge: Judge::Probes {
                good: below_400,
                failures: [0; 3],
                fall: [240, 3, 48],
                started: false,
            },
        },
        Product {
            name: "Kubernetes",
            questions: probes(),
            judge: Judge::Probes {
                good: below_400,
                failures: [0; 3],
                fall: [30, 3, 3],
                started: false,
            },
        },
        Product {
            name: "Scale set, binary",
            questions: question("/vmss-binary", "localhost", "ApplicationHealthExtension/1.0"),
            judge: in_a_row(ok_only, 1, 1, ("Healthy", "Unhealthy")),
        },
        Product {
            name: "Scale set, rich",
            questions: question("/vmss", "localhost", "ApplicationHealthExtension/1.0"),
            judge: Judge::Rich { state: "Initializing" },
        },
    ]
}

/// The states of the script, in its order.
pub(crate) const STATES: [&str; 6] =
    ["starting", "healthy", "degraded", "dependency down", "wedged", "draining"];

/// What each product must conclude in each of the [`STATES`], from the products' documentation:
/// nobody takes an instance away for what all instances share, nobody kills one that leaves, and
/// who chooses between regions sees the region.
pub(crate) const EXPECTED: [(&str, [&str; 6]); 9] = {
    const IN: &str = "in";
    const OUT: &str = "out";
    [
        ("Load Balancer", [OUT, IN, IN, IN, OUT, OUT]),
        ("Application Gateway", [OUT, IN, IN, IN, OUT, OUT]),
        ("Traffic Manager", ["Degraded", "Online", "Online", "Degraded", "Degraded", "Degraded"]),
        ("Front Door", [OUT, IN, IN, OUT, OUT, OUT]),
        ("App Service", [OUT, IN, IN, IN, OUT, OUT]),
        ("Container Apps", ["waits", "ready", "ready", "ready", "restart", "not ready"]),
        ("Kubernetes", ["waits", "ready", "ready", "ready", "restart", "not ready"]),
        (
            "Scale set, binary",
            ["Unhealthy", "Healthy", "Healthy", "Healthy", "Unhealthy", "Healthy"],
        ),
        (
            "Scale set, rich",
            ["Initializing", "Healthy", "Healthy", "Healthy", "Unhealthy", "Healthy"],
        ),
    ]
};

/// What `product` must conclude in `state`.
pub(crate) fn expected(product: &str, state: &str) -> &'static str {
    let column = STATES.iter().position(|known| *known == state).expect("a state of the script");
    let row = EXPECTED.iter().find(|(known, _)| *known == product).expect("a product of the table");
    row.1[column]
}
