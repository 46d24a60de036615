use super::*;

fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

#[test]
fn constructors_make_frames_that_hold() {
    let frames = [
        Frame::data(stream(1), "abc", EndStream::Yes),
        Frame::headers(stream(1), "abc", EndStream::No),
        Frame::rst_stream(stream(3), 8),
        Frame::settings([(5, 16_384), (4, 65_535)]),
        Frame::settings_ack(),
        Frame::ping(*b"framewrt"),
        Frame::ping_ack(*b"framewrt"),
        Frame::goaway(stream(7), 0, b"bye"),
        Frame::window_update(StreamId::CONNECTION, 1),
        Frame::priority_update(stream(5), "u=1"),
        Frame::origin(["https://a.example", "https://b.example"]).unwrap(),
        Frame::altsvc(stream(0), "https://a.example", "h2=\":443\"").unwrap(),
        Frame::extension(FrameType(0xbe), Flags::NONE, stream(9), "xyz"),
    ];
    for frame in frames {
        let head = frame.validate().unwrap();
        assert_eq!(head.length as usize, frame.payload().len(), "{frame:?}");
    }
}

#[test]
fn origin_and_altsvc_have_length_prefixes() {
    let origin = Frame::origin(["ab", "c"]).unwrap();
    assert_eq!(&origin.payload()[..], b"\0\x02ab\0\x01c");
    let altsvc = Frame::altsvc(stream(0), "ab", "h2").unwrap();
    assert_eq!(&altsvc.payload()[..], b"\0\x02abh2");
    let long = "x".repeat(65_536);
    assert_eq!(
        Frame::origin([long.as_str()]),
        Err(FrameError::PayloadTooLarge(65_536))
    );
}

#[test]
fn misplaced_and_misshapen_frames_are_refused() {
    let parts = |kind, flags, id, payload: &'static [u8]| {
        Frame::from_parts(kind, flags, stream(id), payload).validate()
    };
    assert_eq!(
        parts(FrameType::DATA, Flags::NONE, 0, b"x"),
        Err(FrameError::NeedsStream(FrameType::DATA))
    );
    assert!(matches!(
        parts(FrameType::PING, Flags::NONE, 1, &[0; 8]),
        Err(FrameError::NeedsConnection { .. })
    ));
    for (kind, payload) in [
        (FrameType::PING, &[0; 7][..]),
        (FrameType::GOAWAY, &[0; 7]),
        (FrameType::SETTINGS, &[0; 7]),
        (FrameType::WINDOW_UPDATE, &[0; 3]),
        (FrameType::PRIORITY_UPDATE, &[0; 3]),
    ] {
        let error = parts(kind, Flags::NONE, 0, payload).unwrap_err();
        assert!(matches!(error, FrameError::PayloadSize { .. }), "{error}");
    }
    assert!(parts(FrameType::SETTINGS, Flags::ACK, 0, &[0; 6]).is_err());
    assert_eq!(
        Frame::priority_update(StreamId::CONNECTION, "u=1").validate(),
        Err(FrameError::NeedsStream(FrameType::PRIORITY_UPDATE))
    );
    assert_eq!(
        parts(FrameType::DATA, Flags::PADDED, 1, &[3, 0, 0]),
        Err(FrameError::PaddingOverPayload {
            padding: 3,
            length: 3
        })
    );
    assert!(parts(FrameType::DATA, Flags::PADDED, 1, &[2, 0, 0]).is_ok());
    assert!(parts(FrameType::DATA, Flags::PADDED, 1, &[]).is_err());
}

#[test]
fn a_length_over_24_bits_is_refused() {
    let frame = Frame::data(stream(1), vec![0; 1 << 24], EndStream::No);
    assert_eq!(frame.head(), Err(FrameError::PayloadTooLarge(1 << 24)));
}
