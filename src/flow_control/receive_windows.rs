//! What HTTP/2 stacks are told of the windows that they may grant.

/// The builder of an HTTP/2 stack that can be told what receive windows to grant
/// (RFC 9113, section 5.2): for [`FlowControl::apply`](crate::FlowControl::apply).
///
/// hyper's and hyper-util's builders are, with the features `connector` and
/// `listener` those of either end, and with `tonic` that of its server. Implement
/// it for a builder of your own to pass it through the same call.
pub trait ReceiveWindows {
    /// Grants so many octets for each stream, and for the connection, from 65,535 to
    /// 2^31 - 1. They hold as they are: nothing else may adapt them.
    fn set_receive_windows(&mut self, stream: u32, connection: u32);
}

#[cfg(feature = "connector")]
impl<E: Clone> ReceiveWindows for hyper::client::conn::http2::Builder<E> {
    fn set_receive_windows(&mut self, stream: u32, connection: u32) {
        self.adaptive_window(false)
            .initial_stream_window_size(stream)
            .initial_connection_window_size(connection);
    }
}

#[cfg(feature = "connector")]
impl ReceiveWindows for hyper_util::client::legacy::Builder {
    fn set_receive_windows(&mut self, stream: u32, connection: u32) {
        self.http2_adaptive_window(false)
            .http2_initial_stream_window_size(stream)
            .http2_initial_connection_window_size(connection);
    }
}

#[cfg(feature = "listener")]
impl<E> ReceiveWindows for hyper::server::conn::http2::Builder<E> {
    fn set_receive_windows(&mut self, stream: u32, connection: u32) {
        self.adaptive_window(false)
            .initial_stream_window_size(stream)
            .initial_connection_window_size(connection);
    }
}

#[cfg(feature = "listener")]
impl<E> ReceiveWindows for hyper_util::server::conn::auto::Builder<E> {
    fn set_receive_windows(&mut self, stream: u32, connection: u32) {
        self.http2()
            .adaptive_window(false)
            .initial_stream_window_size(stream)
            .initial_connection_window_size(connection);
    }
}

#[cfg(feature = "tonic")]
impl<L: Clone> ReceiveWindows for tonic::transport::Server<L> {
    fn set_receive_windows(&mut self, stream: u32, connection: u32) {
        *self = self
            .clone()
            .http2_adaptive_window(None)
            .initial_stream_window_size(stream)
            .initial_connection_window_size(connection);
    }
}

#[cfg(test)]
mod tests {
    use crate::FlowControl;

    use super::*;

    #[test]
    fn the_ceilings_are_what_a_stack_is_told() {
        struct Told(u32, u32);
        impl ReceiveWindows for Told {
            fn set_receive_windows(&mut self, stream: u32, connection: u32) {
                (self.0, self.1) = (stream, connection);
            }
        }

        let mut told = Told(0, 0);
        FlowControl::default().apply(&mut told);
        assert_eq!((told.0, told.1), (16 << 20, 24 << 20));
        FlowControl::new().ceilings(5 << 20, 0).apply(&mut told);
        assert_eq!((told.0, told.1), (5 << 20, 5 << 20));
        FlowControl::new().ceilings(0, u32::MAX).apply(&mut told);
        assert_eq!((told.0, told.1), (65_535, (1 << 31) - 1));
    }

    #[test]
    #[cfg(all(feature = "connector", feature = "listener"))]
    fn hypers_builders_are_told_even_if_they_adapt() {
        use hyper_util::rt::TokioExecutor;

        /// What a builder says of its windows.
        fn windows(builder: &impl std::fmt::Debug) -> Vec<String> {
            let printed = format!("{builder:?}");
            let fields = printed.split([',', '{', '}']).map(str::trim);
            let wanted = ["adaptive_window", "initial_conn_w", "initial_stream_w"];
            fields
                .filter(|field| wanted.iter().any(|name| field.starts_with(name)))
                .map(str::to_owned)
                .collect()
        }

        let flow = FlowControl::new().ceilings(3_000_000, 4_000_000);
        let expected = [
            "adaptive_window: false",
            "initial_conn_window_size: 4000000",
            "initial_stream_window_size: 3000000",
        ];
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        flow.apply(client.adaptive_window(true));
        assert_eq!(windows(&client), expected);

        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        flow.apply(server.adaptive_window(true));
        assert_eq!(windows(&server), expected);

        let mut auto = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        auto.http2().adaptive_window(true);
        flow.apply(&mut auto);
        assert_eq!(windows(&auto), expected);
    }

    /// What the first frames of a stack grant: each stream, and the connection.
    #[cfg(any(feature = "connector", feature = "tonic"))]
    async fn granted(io: &mut (impl tokio::io::AsyncRead + Unpin), skip: usize) -> (u32, u32) {
        use tokio::io::AsyncReadExt;

        use crate::proto::testing::parse;

        let number = |octets: &[u8]| octets.iter().fold(0, |n, octet| n << 8 | u32::from(*octet));
        let (mut stream, mut connection) = (None, None);
        let mut octets = Vec::new();
        while stream.is_none() || connection.is_none() {
            assert!(io.read_buf(&mut octets).await.unwrap() > 0, "it has ended");
            let Some(frames) = octets.get(skip..) else {
                continue;
            };
            // Whole frames only.
            let mut end = 0;
            while let Some(head) = frames.get(end..end + 9) {
                let next = end + 9 + number(&head[..3]) as usize;
                if next > frames.len() {
                    break;
                }
                end = next;
            }
            for frame in parse(&frames[..end]) {
                if frame.kind == crate::FrameType::SETTINGS {
                    let mut parameters = frame.payload.chunks(6);
                    let window = parameters.find(|parameter| parameter[..2] == [0, 4]);
                    stream = stream.or(window.map(|window| number(&window[2..])));
                }
                if frame.kind == crate::FrameType::WINDOW_UPDATE {
                    connection = connection.or(Some(65_535 + number(&frame.payload)));
                }
            }
        }
        (stream.unwrap(), connection.unwrap())
    }

    #[tokio::test]
    #[cfg(feature = "connector")]
    async fn the_client_of_hyper_util_grants_the_ceilings() {
        use hyper_util::client::legacy::Client;
        use hyper_util::rt::TokioExecutor;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut builder = Client::builder(TokioExecutor::new());
        builder.http2_only(true).http2_adaptive_window(true);
        let flow = FlowControl::new().ceilings(3_000_000, 4_000_000);
        flow.apply(&mut builder);
        let client = builder.build_http::<String>();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let request = tokio::spawn(client.get(uri.parse().unwrap()));
        let (mut socket, _) = listener.accept().await.unwrap();
        let preface = crate::proto::frame::PREFACE.len();
        assert_eq!(granted(&mut socket, preface).await, (3_000_000, 4_000_000));
        request.abort();
    }

    #[tokio::test]
    #[cfg(feature = "tonic")]
    async fn tonics_server_grants_the_ceilings() {
        use tokio::io::AsyncWriteExt;

        let (mut client, server) = tokio::io::duplex(1 << 16);
        let flow = FlowControl::new().ceilings(3_000_000, 4_000_000);
        let mut builder = tonic::transport::Server::builder().http2_adaptive_window(Some(true));
        flow.apply(&mut builder);
        let (_, health) = tonic_health::server::health_reporter();
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(server));
        let serving = builder.add_service(health).serve_with_incoming(incoming);
        let serving = tokio::spawn(serving);
        client
            .write_all(crate::proto::frame::PREFACE)
            .await
            .unwrap();
        client
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        assert_eq!(granted(&mut client, 0).await, (3_000_000, 4_000_000));
        serving.abort();
    }
}
