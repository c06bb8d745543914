//! The wish of the user, or of the system, that this process end.

use crate::error::CliError;

/// Listens from its creation on; before that, a signal ends the process at once.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
        })
    }

    /// Resolves at the next SIGINT or SIGTERM.
    #[cfg(unix)]
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, CliError> {
        Ok(Self {})
    }

    /// Resolves at the next Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn ended(&mut self) {
        // If it cannot be heard, the process ends by other means.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
fn refused(error: std::io::Error) -> CliError {
    CliError::failed(format!("signals cannot be heard: {error}"), "free resources and try again")
}
