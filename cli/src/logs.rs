//! What a node says on standard error besides results: logs, and the words of a panic.
//!
//! Both may quote what others sent, so both go through [`escape`] as everything else does. What
//! writes them escapes some characters by itself, but neither line breaks nor marks of direction.

use std::io::{self, Write};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::escape;

/// Sends logs to standard error, as the variable CONCLAVE_LOG wants them.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("CONCLAVE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // Without colours: a line that may hold no escape sequence cannot hold ours either.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Tame).with_ansi(false);
    // Fails only if logs were started before.
    let _ = logs.try_init();
}

/// From now on a panic is told in words that cannot act on a terminal.
pub(crate) fn tame_panics() {
    let usual = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    if usual {
        // Whoever looks for a fault in the program wants all of it.
        return;
    }
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let text = format!("thread '{name}' {info}");
        // That nobody reads it changes nothing.
        let _ = writeln!(io::stderr(), "{}", escape::block(&text, 2));
    }));
}

/// Standard error for logs: one event a line, and nothing in it acts.
struct Tame;

impl<'a> MakeWriter<'a> for Tame {
    type Writer = TameLine<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        TameLine(io::stderr())
    }
}

/// Takes whole events, each ended by a line break.
struct TameLine<W>(W);

impl<W: Write> Write for TameLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        self.0.write_all(format!("{}\n", escape::line(text)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_a_line_whatever_it_quotes() {
        let kept = Kept::default();
        let writer = kept.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || TameLine(writer.clone()))
            .with_ansi(false)
            .finish();
        let name =
            "eve\u{1b}]52;c;aGk=\u{7}\r\nWARN forged: all is well\t\u{202e}\u{9b}31m\0\u{feff}";
        tracing::subscriber::with_default(logs, || {
            tracing::warn!(%name, quoted = ?name, "words of another: {name}");
        });
        let bytes = kept.0.lock().expect("whole").clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text.lines().count(), 1, "{text:?}");
        let line = text.trim_end_matches('\n');
        assert!(line.contains("WARN forged: all is well"), "{line:?}");
        assert!(!line.chars().any(conclave_protocol::hidden::acts), "{line:?}");
    }
}
