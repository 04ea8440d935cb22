//! Where clients connect, and who they may be there.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::error::BrokerError;
use crate::namespace::check_isolated;
use crate::socket::ClientSocket;

/// What a broker is to listen on.
#[derive(Debug)]
pub(crate) enum ListenerSettings {
    /// A TCP port; calls carry the token.
    Token(SocketAddr),
    /// A Unix socket; only this user's processes may call.
    Peer(PathBuf),
    /// A listener that only the run's processes can reach; with whether that is checked.
    Own(std::net::TcpListener, bool),
}

/// An open listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Token(TcpListener),
    #[cfg(unix)]
    Peer(UnixListener, SocketFile),
    Own(TcpListener),
}

/// The file of a Unix socket, which is removed with it.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl ListenerSettings {
    pub(crate) async fn open(self, anywhere: bool) -> Result<Listener, BrokerError> {
        match self {
            Self::Token(address) if !address.ip().is_loopback() && !anywhere => {
                Err(BrokerError::NotLoopback(address))
            }
            Self::Token(address) => match TcpListener::bind(address).await {
                Ok(listener) => Ok(Listener::Token(listener)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    Err(BrokerError::AddressInUse(address))
                }
                Err(source) => Err(BrokerError::Listen { address, source }),
            },
            Self::Own(listener, is_checked) => {
                let taken = own(listener, is_checked);
                taken.map(Listener::Own).map_err(BrokerError::Listener)
            }
            #[cfg(unix)]
            Self::Peer(path) => {
                let listener = unix::bind(&path)?;
                Ok(Listener::Peer(listener, SocketFile(path)))
            }
            #[cfg(not(unix))]
            Self::Peer(path) => Err(BrokerError::Socket {
                path,
                why: "this system has no Unix sockets".to_owned(),
            }),
        }
    }
}

/// Takes over a listener, which lets in whoever reaches it: so no other machine may.
fn own(listener: std::net::TcpListener, is_checked: bool) -> io::Result<TcpListener> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let why = format!("it listens on {address}, which is not a loopback address");
        return Err(io::Error::other(why));
    }
    #[cfg(unix)]
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::other("it does not listen"));
    }
    if is_checked {
        check_isolated(&listener)?;
    }
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// A client that has connected.
pub(crate) enum Accepted {
    Client(ClientSocket),
    /// Another user's process.
    Stranger(u32),
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Token(listener) | Self::Own(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Client(ClientSocket::tcp(stream)))
            }
            #[cfg(unix)]
            Self::Peer(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok(match user == rustix::process::geteuid().as_raw() {
                    true => Accepted::Client(ClientSocket::unix(stream)),
                    false => Accepted::Stranger(user),
                })
            }
        }
    }

    /// Whether calls carry the token here.
    pub(crate) fn needs_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// The TCP address, if it has one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Token(listener) | Self::Own(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Peer(..) => None,
        }
    }

    /// The path of the Unix socket, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            #[cfg(unix)]
            Self::Peer(_, file) => Some(&file.0),
            _ => None,
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use tokio::net::UnixListener;

    use crate::error::BrokerError;

    /// What others may write to, and what keeps them from removing each other's files there.
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;

    pub(super) fn bind(path: &Path) -> Result<UnixListener, BrokerError> {
        let refused = |why: String| BrokerError::Socket {
            path: path.to_path_buf(),
            why,
        };
        check_directory(path).map_err(refused)?;
        remove_stale(path)?;
        let listener = UnixListener::bind(path);
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BrokerError::SocketInUse(path.to_path_buf()),
            _ => refused(error.to_string()),
        })?;
        // Whoever connects before this is refused by its user.
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(|error| refused(error.to_string()))?;
        Ok(listener)
    }

    /// Others must not be able to put their own socket in its place.
    fn check_directory(path: &Path) -> Result<(), String> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        let shown = directory.display();
        let about = std::fs::metadata(directory).map_err(|error| format!("{shown}: {error}"))?;
        let me = rustix::process::geteuid().as_raw();
        if about.uid() != me && about.uid() != 0 {
            return Err(format!("the directory {shown} belongs to another user"));
        }
        if about.mode() & WRITABLE_BY_OTHERS != 0 && about.mode() & STICKY == 0 {
            return Err(format!(
                "other users can write in the directory {shown}: use a private one"
            ));
        }
        Ok(())
    }

    /// Removes a socket of a broker that has ended. Nothing else is removed.
    fn remove_stale(path: &Path) -> Result<(), BrokerError> {
        let refused = |why: String| BrokerError::Socket {
            path: path.to_path_buf(),
            why,
        };
        let about = match std::fs::symlink_metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(refused(error.to_string())),
        };
        if !about.file_type().is_socket() {
            return Err(refused(
                "there is something else, which is not a socket".to_owned(),
            ));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(|error| refused(error.to_string()))
            }
            Ok(_) => Err(BrokerError::SocketInUse(path.to_path_buf())),
            Err(error) => Err(refused(error.to_string())),
        }
    }
}
