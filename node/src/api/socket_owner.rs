//! Whose program is at the other end of a connection to the local API.
//!
//! Browsers send a cookie to every port of a host, so a page that another user of this computer
//! serves on loopback may be sent the cookie of ours; and a link stands, for a moment, among the
//! arguments of the browser that opens it, where everybody can read it. Both count only on
//! connections of the user who runs the node. Linux says whose a socket is; elsewhere this
//! cannot be found out, and every connection counts as that user's.

use std::io;
use std::net::SocketAddr;

use tokio::sync::OnceCell;

/// A connection to the local API, as seen from its client.
pub(super) struct ClientSocket {
    client: SocketAddr,
    node: SocketAddr,
    own: OnceCell<bool>,
}

impl ClientSocket {
    /// A connection that was accepted at `node` from `client`.
    pub(super) fn new(client: SocketAddr, node: SocketAddr) -> Self {
        Self { client, node, own: OnceCell::new() }
    }

    /// Whether the client is a program of the user who runs this node, or of root. What cannot
    /// be found out is taken for foreign.
    pub(super) async fn is_own(&self) -> bool {
        let (client, node) = (self.client, self.node);
        let look = async || {
            let looking = tokio::task::spawn_blocking(move || is_own(client, node));
            looking.await.map_err(io::Error::other).flatten()
        };
        // A failure is not remembered: the files may be readable for the next request.
        match self.own.get_or_try_init(look).await {
            Ok(own) => *own,
            Err(error) => {
                tracing::warn!(%error, "whose a connection to the local API is cannot be seen");
                false
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn is_own(_: SocketAddr, _: SocketAddr) -> io::Result<bool> {
    Ok(true)
}

#[cfg(target_os = "linux")]
use self::linux::is_own;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, BufRead, BufReader, Read};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    /// Connections from all of IPv4 and from all of IPv6; IPv4 can be spoken by both.
    const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
    /// How much is read of each: about a hundred thousand connections.
    const TABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
    /// How often a connection is looked for: while others come and go, the table may leave one
    /// out.
    const LOOKS_MAX: usize = 3;
    const ROOT: u32 = 0;
    const ESTABLISHED: &str = "01";
    /// A connection that no program has any more, which is shown as root's.
    const NO_FILE: &str = "0";

    /// Whether the socket at `client` that is connected with `node` belongs to the user who runs
    /// this program, or to root.
    pub(super) fn is_own(client: SocketAddr, node: SocketAddr) -> io::Result<bool> {
        // Not from the files in /proc: those of a program whose memory is closed are root's.
        let own = rustix::process::geteuid().as_raw();
        // Twice: should the client close its socket in between, the first look may have seen
        // the socket still open but already without its owner.
        for _ in 0..2 {
            let owner = look_for(client, node)?;
            if !owner.is_some_and(|owner| owner == own || owner == ROOT) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn look_for(client: SocketAddr, node: SocketAddr) -> io::Result<Option<u32>> {
        for _ in 0..LOOKS_MAX {
            for table in TABLES {
                let table = match File::open(table) {
                    Ok(table) => table,
                    // A kernel without IPv6 has no table of it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let table = BufReader::new(table.take(TABLE_BYTES_MAX));
                if let Some(owner) = owner_in(table, client, node)? {
                    return Ok(Some(owner));
                }
            }
        }
        Ok(None)
    }

    /// The owner of the open socket at `local` that is connected with `remote`.
    pub(super) fn owner_in(
        table: impl BufRead,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> io::Result<Option<u32>> {
        for line in table.lines() {
            let line = line?;
            let mut fields = line.split_ascii_whitespace().skip(1);
            if fields.next().and_then(address) != Some(plain(local))
                || fields.next().and_then(address) != Some(plain(remote))
                || fields.next() != Some(ESTABLISHED)
            {
                continue;
            }
            let mut fields = fields.skip(3);
            let owner = fields.next().and_then(|owner| owner.parse().ok());
            let file = fields.nth(1);
            return Ok(owner.filter(|_| file.is_some_and(|file| file != NO_FILE)));
        }
        Ok(None)
    }

    /// IPv4 as such, also where it is spoken by a socket of IPv6.
    fn plain(address: SocketAddr) -> (IpAddr, u16) {
        (address.ip().to_canonical(), address.port())
    }

    /// An address as these tables show it: words of 32 bits as they are in memory.
    fn address(field: &str) -> Option<(IpAddr, u16)> {
        let (ip, port) = field.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let word = |at: usize| {
            let digits = ip.get(at..at + 8)?;
            Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
        };
        let ip: IpAddr = match ip.len() {
            8 => Ipv4Addr::from(word(0)?).into(),
            32 => {
                let mut bytes = [0; 16];
                for (index, place) in bytes.chunks_exact_mut(4).enumerate() {
                    place.copy_from_slice(&word(index * 8)?);
                }
                Ipv6Addr::from(bytes).into()
            }
            _ => return None,
        };
        Some((ip.to_canonical(), port))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::linux::owner_in;
    use super::*;

    /// As a little-endian computer shows them.
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1054 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 101 1 0 100 0 0 10 0
   1: 0100007F:1054 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     7        0 102 1 0 20 4 30 10 -1
   2: 0100007F:9C40 0100007F:1055 01 00000000:00000000 00:00000000 00000000     8        0 103 1 0 20 4 30 10 -1
   3: 0100007F:9C40 0100007F:1054 01 00000000:00000000 00:00000000 00000000  1001        0 104 1 0 20 4 30 10 -1
   4: 0100007F:9C41 0100007F:1054 06 00000000:00000000 03:000003E8 00000000     0        0 0 3 0
   5: 0100007F:9C42 0100007F:1054 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   6: 0100007F:9C43 0100007F:1054 01 00000000
";
    const TABLE_6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:9C44 0000000000000000FFFF00000100007F:1054 01 00000000:00000000 00:00000000 00000000  1002        0 105 1 0 20 4 30 10 -1
   1: 00000000000000000000000001000000:9C45 00000000000000000000000001000000:1054 01 00000000:00000000 00:00000000 00000000  1003        0 106 1 0 20 4 30 10 -1
";

    #[cfg(target_endian = "little")]
    fn owner(table: &str, client: &str, node: &str) -> Option<u32> {
        let [client, node] = [client, node].map(|text| text.parse().ok());
        owner_in(table.as_bytes(), client?, node?).ok()?
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_owner_is_that_of_the_client_with_both_its_addresses() {
        let node = "127.0.0.1:4180";
        assert_eq!(owner(TABLE, "127.0.0.1:40000", node), Some(1001));
        assert_eq!(owner(TABLE, "127.0.0.1:40000", "127.0.0.1:4181"), Some(8));
        assert_eq!(owner(TABLE, "127.0.0.2:40000", node), None);
        assert_eq!(owner(TABLE_6, "127.0.0.1:40004", node), Some(1002), "IPv4 spoken by IPv6");
        assert_eq!(owner(TABLE_6, "[::1]:40005", "[::1]:4180"), Some(1003));
        assert_eq!(owner(TABLE_6, "[::1]:40004", "[::1]:4180"), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn what_is_no_open_socket_of_a_program_has_no_owner() {
        let node = "127.0.0.1:4180";
        assert_eq!(owner(TABLE, "127.0.0.1:40001", node), None, "over");
        assert_eq!(owner(TABLE, "127.0.0.1:40002", node), None, "closed by its program");
        assert_eq!(owner(TABLE, "127.0.0.1:40003", node), None, "cut off");
        assert_eq!(owner("", "127.0.0.1:40000", node), None);
        for broken in ["0: x:y", "0: 0100007F:1054", "0: \u{fc}100007F:9C40 0100007F:1054 01", ":"]
        {
            assert_eq!(owner(broken, "127.0.0.1:40000", node), None, "{broken}");
        }
    }

    #[tokio::test]
    async fn our_own_sockets_are_found_while_they_are_open() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let node = listener.local_addr().expect("an address");
            let stream = TcpStream::connect(node).expect("it listens");
            let (_accepted, client) = listener.accept().expect("a connection");
            assert!(ClientSocket::new(client, node).is_own().await, "{client}");
            let other = SocketAddr::new(client.ip(), client.port() ^ 1);
            assert!(!ClientSocket::new(other, node).is_own().await, "nobody is there");
            drop(stream);
            assert!(!ClientSocket::new(client, node).is_own().await, "it is closed");
        }
    }
}
