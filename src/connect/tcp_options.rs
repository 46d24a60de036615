//! What TCP is told about a connection.

#[cfg(feature = "listener")]
use std::io;
use std::time::Duration;

#[cfg(feature = "listener")]
use socket2::{SockRef, TcpKeepalive};

/// What TCP is told about a connection. An option that the operating system
/// does not have is left out.
///
/// # Defaults
///
/// `TCP_NODELAY` is on, as a batch is written when it is meant to go out; all
/// else is as the operating system has it.
///
/// ```
/// use std::time::Duration;
/// use framewright::TcpOptions;
///
/// let tcp = TcpOptions::default()
///     .keepalive(Duration::from_secs(60))
///     .user_timeout(Duration::from_secs(120));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    nodelay: bool,
    keepalive: Option<Duration>,
    keepalive_interval: Option<Duration>,
    keepalive_retries: Option<u32>,
    send_buffer: Option<usize>,
    recv_buffer: Option<usize>,
    user_timeout: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            keepalive_interval: None,
            keepalive_retries: None,
            send_buffer: None,
            recv_buffer: None,
            user_timeout: None,
        }
    }
}

impl TcpOptions {
    /// Whether small segments go out at once (`TCP_NODELAY`). Default: yes.
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Probes a peer that was silent for `time` (`SO_KEEPALIVE`,
    /// `TCP_KEEPIDLE`). Whole seconds. Default: no probes.
    #[must_use]
    pub fn keepalive(mut self, time: Duration) -> Self {
        self.keepalive = Some(time);
        self
    }

    /// The time between probes (`TCP_KEEPINTVL`), in whole seconds. Turns probes
    /// on.
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive_interval = Some(interval);
        self
    }

    /// Unanswered probes until the connection is given up (`TCP_KEEPCNT`). Turns
    /// probes on.
    #[must_use]
    pub fn keepalive_retries(mut self, retries: u32) -> Self {
        self.keepalive_retries = Some(retries);
        self
    }

    /// The kernel's buffer for what is sent (`SO_SNDBUF`), in octets. A fixed
    /// size turns the kernel's own tuning off.
    #[must_use]
    pub fn send_buffer(mut self, octets: usize) -> Self {
        self.send_buffer = Some(octets);
        self
    }

    /// The kernel's buffer for what is received (`SO_RCVBUF`), in octets. A
    /// fixed size turns the kernel's own tuning off. It is set before the
    /// connection is made, as the window scale is agreed on then (RFC 7323,
    /// section 2.2).
    #[must_use]
    pub fn recv_buffer(mut self, octets: usize) -> Self {
        self.recv_buffer = Some(octets);
        self
    }

    /// How long what was sent may stay unacknowledged until the connection is
    /// given up (`TCP_USER_TIMEOUT`, RFC 5482), in milliseconds. Linux and
    /// Android only.
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some(timeout);
        self
    }

    /// Has hyper-util's connector set all of it, each when it has to be.
    #[cfg(feature = "connector")]
    pub(crate) fn apply_to<R>(
        &self,
        connector: &mut hyper_util::client::legacy::connect::HttpConnector<R>,
    ) {
        connector.set_nodelay(self.nodelay);
        connector.set_keepalive(self.keepalive);
        connector.set_keepalive_interval(self.keepalive_interval);
        connector.set_keepalive_retries(self.keepalive_retries);
        connector.set_send_buffer_size(self.send_buffer);
        connector.set_recv_buffer_size(self.recv_buffer);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        connector.set_tcp_user_timeout(self.user_timeout);
    }

    /// Sets what has to be set before `connect` or `listen`.
    #[cfg(feature = "listener")]
    pub(crate) fn apply_before(&self, socket: &SockRef<'_>) -> io::Result<()> {
        if let Some(octets) = self.send_buffer {
            socket.set_send_buffer_size(octets)?;
        }
        if let Some(octets) = self.recv_buffer {
            socket.set_recv_buffer_size(octets)?;
        }
        Ok(())
    }

    /// Sets the rest, on a connection.
    #[cfg(feature = "listener")]
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        if let Some(keepalive) = self.probes() {
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(any(target_os = "android", target_os = "linux"))]
        if let Some(timeout) = self.user_timeout {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }

    #[cfg(feature = "listener")]
    fn probes(&self) -> Option<TcpKeepalive> {
        let wanted = self.keepalive.is_some()
            || self.keepalive_interval.is_some()
            || self.keepalive_retries.is_some();
        let mut probes = TcpKeepalive::new();
        if let Some(time) = self.keepalive {
            probes = probes.with_time(time);
        }
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "windows",
        ))]
        if let Some(interval) = self.keepalive_interval {
            probes = probes.with_interval(interval);
        }
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
        ))]
        if let Some(retries) = self.keepalive_retries {
            probes = probes.with_retries(retries);
        }
        wanted.then_some(probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_asked_for_is_set() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = SockRef::from(&tcp);
        let second = Duration::from_secs(1);
        let options = TcpOptions::default()
            .keepalive(60 * second)
            .keepalive_interval(7 * second)
            .keepalive_retries(3)
            .send_buffer(70_000)
            .recv_buffer(90_000)
            .user_timeout(12 * second);
        options.apply_before(&socket).unwrap();
        options.apply(&socket).unwrap();
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), 60 * second);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), 7 * second);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(12 * second));
        // Linux doubles what it is told, for its own bookkeeping.
        assert_eq!(socket.send_buffer_size().unwrap(), 140_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 180_000);
        options.nodelay(false).apply(&socket).unwrap();
        assert!(!socket.tcp_nodelay().unwrap());
    }
}
