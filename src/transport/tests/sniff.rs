//! To learn what a client speaks before anything is handed over.

use super::*;

/// A server's transport that sniffs what `octets` are, in reads of at most
/// `most`, and hands over the rest afterwards.
fn sniff(octets: &[u8], most: usize, pending: u64, eof: bool) -> (Mock, Transport<Mock>) {
    let mock = Mock::new(Manners {
        seed: 1 + octets.len() as u64 * 31 + most as u64,
        pending,
        most,
        vectored: true,
    });
    mock.deliver(octets);
    mock.state().eof = eof;
    (mock.clone(), Transport::server(mock, Config::default()))
}

fn verdict(mock: &Mock, io: &mut Transport<Mock>) -> Option<bool> {
    run(mock, |cx| io.inner.poll_sniff(cx)).expect("no error")
}

/// All that the stack sees, to the end.
fn rest(mock: &Mock, io: &mut Transport<Mock>) -> Vec<u8> {
    let mut seen = Vec::new();
    mock.state().eof = true;
    loop {
        let mut space = [0; 37];
        let n = run(mock, |cx| {
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
            Poll::Ready(io::Result::Ok(buf.filled().len()))
        });
        match n.expect("no error") {
            0 => return seen,
            n => seen.extend(&space[..n]),
        }
    }
}

#[test]
fn rfc9113_3_4_the_whole_preface_is_http2_and_is_handed_over_once() {
    let mut octets = PREFACE.to_vec();
    octets.extend(encode(&[
        settings(&[]),
        raw(FrameType::PING, Flags::NONE, 0, vec![7; 8]),
    ]));
    for most in [1, 2, 7, 23, 24, 25, 1 << 20] {
        for pending in [0, 8] {
            let (mock, mut io) = sniff(&octets, most, pending, false);
            assert_eq!(verdict(&mock, &mut io), Some(true));
            // It may be asked again, and reads no more.
            let left = mock.state().inbound.len();
            assert_eq!(verdict(&mock, &mut io), Some(true));
            assert_eq!(mock.state().inbound.len(), left);
            let seen = rest(&mock, &mut io);
            assert_eq!(seen[..24], PREFACE[..]);
            let frames = parse(&seen[24..]);
            assert_eq!(frames.len(), 2, "reads of {most}");
            assert_eq!(frames[1].payload, [7; 8]);
            assert_eq!(io.handle().stats().inbound_octets, octets.len() as u64);
        }
    }
}

#[test]
fn what_only_starts_like_the_preface_passes_through_whole() {
    let mut inputs: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PROPFIND / HTTP/1.1\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX and more".to_vec(),
    ];
    for split in 0..PREFACE.len() {
        let mut almost = PREFACE[..split].to_vec();
        almost.extend(b"X and more");
        inputs.push(almost);
    }
    for octets in inputs {
        for most in [1, 3, 1 << 20] {
            let (mock, mut io) = sniff(&octets, most, 8, false);
            assert_eq!(verdict(&mock, &mut io), Some(false));
            assert_eq!(rest(&mock, &mut io), octets, "reads of {most}");
        }
    }
}

#[test]
fn a_client_that_leaves_first_is_none_and_nothing_is_lost() {
    for split in 0..PREFACE.len() {
        let (mock, mut io) = sniff(&PREFACE[..split], 5, 4, true);
        assert_eq!(verdict(&mock, &mut io), None);
        assert_eq!(rest(&mock, &mut io), PREFACE[..split]);
    }
}

#[test]
fn m1_to_wait_for_the_preface_holds_no_buffer_and_may_be_given_up() {
    for split in 0..PREFACE.len() {
        let (mock, mut io) = sniff(&PREFACE[..split], 9, 0, false);
        let polls = Polls::new();
        assert!(io.inner.poll_sniff(&mut polls.context()).is_pending());
        assert!(!io.inner.read.holds_buffer());
        // Given up here, the octets are still the stack's.
        mock.deliver(&PREFACE[split..]);
        assert_eq!(rest(&mock, &mut io), PREFACE);
        assert!(!io.inner.read.holds_buffer());
    }
}

#[test]
fn an_error_of_the_io_is_passed_on() {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    let mut io = Transport::server(
        tokio::io::join(Broken, tokio::io::sink()),
        Config::default(),
    );
    let polls = Polls::new();
    let Poll::Ready(Err(error)) = io.inner.poll_sniff(&mut polls.context()) else {
        panic!("it has failed")
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(io.handle().is_closed());
}
