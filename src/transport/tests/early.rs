//! Octets that come before it is known what the connection speaks.

use super::*;

#[test]
fn f1_a_client_whose_peer_speaks_first_is_left_alone() {
    let mock = Mock::new(POLITE);
    let mut io = Transport::client(mock.clone(), Config::default());
    let polls = Polls::new();
    mock.deliver(&encode(&[settings(&[])]));
    let mut space = [0; 100];
    let mut buf = ReadBuf::new(&mut space);
    assert!(
        Pin::new(&mut io)
            .poll_read(&mut polls.context(), &mut buf)
            .is_ready()
    );
    assert_eq!(buf.filled(), encode(&[settings(&[])]));
    let octets = [&PREFACE[..], &data(100_000)].concat();
    assert!(matches!(polls.write(&mut io, &octets), Poll::Ready(Ok(n)) if n == octets.len()));
    assert_eq!(mock.state().wire, octets);
}

#[test]
fn f1_a_server_that_speaks_first_is_followed_to_the_octet() {
    // h2's servers send SETTINGS before they have seen the preface, and a socket
    // may take a part of the head: nothing may go in between.
    let sent = [
        settings(&[(3, 7)]),
        raw(FrameType::PING, Flags::NONE, 0, vec![1; 8]),
    ];
    let octets = encode(&sent);
    for split in 0..octets.len() {
        let mock = Mock::new(POLITE);
        let mut io = Transport::server(mock.clone(), Config::default());
        let handle = io.handle();
        let origin = Frame::origin(["https://example.com"]).unwrap();
        handle.send_frames([origin]).unwrap();
        let polls = Polls::new();
        for octet in &octets[..split] {
            assert!(polls.write(&mut io, &[*octet]).is_ready());
        }
        mock.deliver(PREFACE);
        while polls.read(&mut io).is_ready() {}
        for octet in &octets[split..] {
            assert!(polls.write(&mut io, &[*octet]).is_ready());
            assert!(polls.flush(&mut io).is_ready());
        }
        assert!(polls.read(&mut io).is_pending());
        let mut wire = parse(&mock.state().wire);
        let origin = wire.iter().position(|f| f.kind == FrameType::ORIGIN);
        wire.remove(origin.unwrap());
        // Nothing is put into a frame whose front is on the wire already.
        let mut expected = sent.clone();
        if split == 0 {
            expected[0] = announced(expected[0].clone());
        }
        assert_eq!(wire, expected);
        assert_eq!(handle.stats().outbound_frames.total(), 3);
    }
}

#[test]
fn rfc9218_2_1_a_first_settings_goes_out_whatever_comes_next() {
    let sent = settings(&[(3, 7)]);
    let octets = encode(std::slice::from_ref(&sent));
    let edited = encode(&[announced(sent)]);
    let stuck = || {
        Mock::new(Manners {
            pending: 16,
            ..POLITE
        })
    };
    let polls = Polls::new();
    for ends in ["shutdown", "drop", "the preface"] {
        let mut io = Transport::server(stuck(), Config::default());
        let taken = polls.write(&mut io, &octets);
        assert!(matches!(taken, Poll::Ready(Ok(n)) if n == octets.len()));
        let mock = Mock::new(POLITE);
        io.inner.io = mock.clone();
        match ends {
            "shutdown" => assert!(
                Pin::new(&mut io)
                    .poll_shutdown(&mut polls.context())
                    .is_ready()
            ),
            "drop" => drop(io),
            _ => {
                mock.deliver(PREFACE);
                while polls.read(&mut io).is_ready() {}
            }
        }
        assert_eq!(mock.state().wire, edited, "{ends}");
    }

    // What the IO was offered once, it is offered again.
    let mut io = Transport::server(stuck(), Config::default());
    assert!(polls.write(&mut io, &octets[..5]).is_pending());
    let mock = Mock::new(POLITE);
    io.inner.io = mock.clone();
    assert!(polls.write(&mut io, &octets).is_ready());
    assert_eq!(mock.state().wire, octets);
}
