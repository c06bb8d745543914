//! Frames of the request-response protocol: a length of four bytes, big-endian, then the bytes.

use std::io;

use conclave_protocol::limits::FRAME_BYTES_MAX;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

/// The name under which both sides speak these frames.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/conclave/sync/1");

/// How much is set aside for a frame on the strength of its announced length alone. The rest
/// grows as bytes arrive, so that a length costs a peer what it costs us.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Reads and writes frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameCodec;

impl Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &frame).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &frame).await
    }
}

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    io.read_exact(&mut prefix).await?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(too_large());
    }
    let mut frame = Vec::with_capacity(length.min(RESERVED_BYTES_MAX));
    io.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| too_large())?;
    if frame.len() > FRAME_BYTES_MAX {
        return Err(too_large());
    }
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(frame).await
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the frame is larger than the protocol allows")
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        futures::executor::block_on(read_frame(&mut Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn frames_round_trip_up_to_the_bound() {
        for length in [0, 1, 70_000, FRAME_BYTES_MAX] {
            let mut wire = Cursor::new(Vec::new());
            futures::executor::block_on(write_frame(&mut wire, &vec![7; length])).unwrap();
            assert_eq!(read(wire.get_ref()).unwrap(), vec![7; length]);
        }
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_before_it_is_read() {
        let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
        assert_eq!(read(&length.to_be_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&[0xff; 4]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut wire = Cursor::new(Vec::new());
        let frame = vec![0; FRAME_BYTES_MAX + 1];
        futures::executor::block_on(write_frame(&mut wire, &frame)).unwrap_err();
        assert!(wire.get_ref().is_empty());
    }

    #[test]
    fn a_cut_frame_is_an_error() {
        assert_eq!(read(&[0, 0, 0, 4, 1, 2]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(&[0, 0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
