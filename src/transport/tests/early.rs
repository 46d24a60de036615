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

#[test]
fn c1_credit_whose_front_went_out_early_is_known() {
    // A server's stack that writes SETTINGS and the connection's credit at once; the
    // socket takes a part of the head of the latter before the peer's preface is there.
    let first = encode(&[settings(&[(3, 7)])]);
    let grant = (1_u32 << 20).to_be_bytes().to_vec();
    let grant = encode(&[raw(FrameType::WINDOW_UPDATE, Flags::NONE, 0, grant)]);
    for split in 0..=grant.len() {
        let mock = Mock::new(POLITE);
        let config = Config::default().flow_control(crate::FlowControl::default());
        let mut io = Transport::server(mock.clone(), config);
        let polls = Polls::new();
        assert!(polls.write(&mut io, &first).is_ready());
        if split > 0 {
            assert!(
                matches!(polls.write(&mut io, &grant[..split]), Poll::Ready(Ok(n)) if n == split)
            );
        }
        mock.deliver(PREFACE);
        mock.deliver(&encode(&[settings(&[])]));
        while polls.read(&mut io).is_ready() {}
        if split < grant.len() {
            assert!(polls.write(&mut io, &grant[split..]).is_ready());
        }
        polls.flush_for_good(&mut io);
        while polls.read(&mut io).is_ready() {}
        let wire = parse(&mock.state().wire);
        let told: u32 = wire
            .iter()
            .filter(|f| f.kind == FrameType::WINDOW_UPDATE && f.stream == 0)
            .map(|f| u32::from_be_bytes(f.payload[..4].try_into().unwrap()))
            .sum();
        // The peer sends as much as it was told of.
        let mut octets = encode(&[settings(&[])]);
        octets[4] = 1;
        octets.extend(encode(&[raw(FrameType::HEADERS, Flags(4), 1, vec![0x83])]));
        octets.extend(encode(&[raw(FrameType::HEADERS, Flags(4), 3, vec![0x83])]));
        let all = 65_535 + told;
        let mut left = all.min(110_000);
        let mut stream = 1;
        while left > 0 {
            let n = left.min(16_384);
            octets.extend(encode(&[raw(
                FrameType::DATA,
                Flags::NONE,
                stream,
                vec![1; n as usize],
            )]));
            left -= n;
            stream = 4 - stream;
        }
        mock.deliver(&octets);
        let mut seen = Vec::new();
        loop {
            let mut space = vec![0; 40_000];
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut io).poll_read(&mut polls.context(), &mut buf) {
                Poll::Ready(Ok(())) => seen.extend(buf.filled()),
                _ => break,
            }
        }
        let seen = parse(&seen);
        let overflows = seen
            .iter()
            .filter(|f| f.kind == FrameType::WINDOW_UPDATE)
            .count();
        assert_eq!(overflows, 0, "split at {split}, told {told}");
    }
}
