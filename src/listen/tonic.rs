//! The listener's connections as those of tonic's server.

use tonic::transport::server::{Connected, TcpConnectInfo};

use super::{ConnectionInfo, ServerStream};

/// Puts a [`ConnectionInfo`] into the extensions of each request, and nothing
/// else: tonic has room for one type, and its `Request::remote_addr` looks for
/// its own. An interceptor makes that work too:
///
/// ```
/// use framewright::ConnectionInfo;
/// use tonic::{Request, Status, transport::server::TcpConnectInfo};
///
/// fn addresses(mut request: Request<()>) -> Result<Request<()>, Status> {
///     let tcp = request.extensions().get::<ConnectionInfo>().map(TcpConnectInfo::from);
///     if let Some(tcp) = tcp {
///         request.extensions_mut().insert(tcp);
///     }
///     Ok(request)
/// }
/// ```
///
/// Nothing makes `Request::peer_certs` work: the type that it looks for can only be
/// made by tonic's own TLS. [`ConnectionInfo::peer_certificates`] has the same.
impl Connected for ServerStream {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.info()
    }
}

impl From<&ConnectionInfo> for TcpConnectInfo {
    fn from(info: &ConnectionInfo) -> Self {
        Self {
            local_addr: info.local_addr,
            remote_addr: Some(info.remote_addr),
        }
    }
}
