//! Reading server-sent events: bytes in, named events out.

/// The longest line taken; a message with every character escaped fits many times over.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// One event as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawEvent {
    /// Its name; `message` if the stream gave none.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// A line is too long, or not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream of events is not readable")]
pub(super) struct SseError;

/// Takes the stream apart, however the network cut it.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
}

impl SseParser {
    /// Takes the next bytes and gives the events that they complete.
    ///
    /// # Errors
    /// [`SseError`]; the stream cannot be read on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<RawEvent>, SseError> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_BYTES_MAX {
                return Err(SseError);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(&line)?);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<RawEvent>, SseError> {
        let line = std::str::from_utf8(line).map_err(|_| SseError)?;
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        // A line that begins with a colon is a comment: the server shows that it is alive.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.data.len() + value.len() > LINE_BYTES_MAX {
                    return Err(SseError);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<RawEvent> {
        let mut name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        if name.is_empty() {
            "message".clone_into(&mut name);
        }
        Some(RawEvent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> RawEvent {
        RawEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_survive_any_cut() {
        let stream = ": alive\n\nevent: message\ndata: {\"text\":\"é\"}\n\n\
                      data:a\r\ndata: b\r\n\r\nevent: lagged\n\ndata: {}\n\n";
        let expected = vec![
            event("message", "{\"text\":\"é\"}"),
            event("message", "a\nb"),
            event("message", "{}"),
        ];
        for cut in 1..stream.len() {
            let mut parser = SseParser::default();
            let mut events = Vec::new();
            for piece in stream.as_bytes().chunks(cut) {
                events.extend(parser.feed(piece).expect("readable"));
            }
            assert_eq!(events, expected, "in pieces of {cut}");
        }
    }

    #[test]
    fn endless_lines_are_refused() {
        let mut parser = SseParser::default();
        let piece = vec![b'a'; LINE_BYTES_MAX / 2];
        assert!(parser.feed(&piece).is_ok());
        assert!(parser.feed(&piece).is_ok());
        assert_eq!(parser.feed(&piece), Err(SseError));
    }
}
