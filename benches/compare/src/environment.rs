//! The runtime in which every subject is called: a current-thread tokio runtime that is entered, and turned by hand.

use std::time::Duration;

use tick::Clock;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;

/// How often the timers in the background run out.
const BACKGROUND: Duration = Duration::from_millis(500);

/// A runtime with timers in the background, and the clocks that peers want.
///
/// The timers keep both timer wheels armed. Without one each first registration would unpark the driver by a system
/// call, which no busy program pays.
pub(crate) struct Environment {
    runtime: Runtime,
    /// seatbelt's clock as it comes.
    pub(crate) clock: Clock,
    /// The same with coarse instants, which its author advises against unless a measurement asks for them.
    pub(crate) coarse_clock: Clock,
}

impl Environment {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O needs nothing of the system");
        let clock = {
            let _entered = runtime.enter();
            Clock::new_tokio()
        };
        runtime.spawn(async {
            loop {
                sleep(BACKGROUND).await;
            }
        });
        let background = clock.clone();
        runtime.spawn(async move {
            loop {
                background.delay(BACKGROUND).await;
            }
        });
        let coarse_clock = clock.clone().with_fast_instant(true);
        let environment = Self { runtime, clock, coarse_clock };
        environment.runtime.block_on(async { sleep(Duration::from_millis(5)).await });
        environment
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Lets the runtime and the tasks on it do what is due.
    pub(crate) fn turn(&self) {
        self.runtime.block_on(async {
            for _ in 0..4 {
                yield_now().await;
            }
        });
    }
}
