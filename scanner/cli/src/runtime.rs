//! The runtime of the verbs that wait for something.

use tokio::runtime::{Builder, Runtime};

use crate::exit::{Blame, Failure};

/// A worker a core.
pub(crate) fn start() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().enable_all().build().environment(|| "starting threads".to_owned())
}
