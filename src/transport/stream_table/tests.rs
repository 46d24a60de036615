use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::task::{Wake, Waker};
use std::thread::ScopedJoinHandle;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::proto::frame::PREFACE;
use crate::proto::head::{Flags, FrameType, Head};

fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

/// The value of the tag of a stream.
fn tag(shared: &Shared, id: u32) -> Vec<u8> {
    let field = shared.tagger().unwrap().field(stream(id));
    field[3 + tag::NAME.len()..].to_vec()
}

fn is_registered(connection: u64) -> bool {
    shard(connection).read().contains_key(&connection)
}

#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// `h2` reads the field at the end of a block like any other, twice in a row:
/// the dynamic table has not moved.
#[tokio::test]
async fn rfc7541_6_2_2_a_decoder_reads_the_field() {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let tagger = Tagger {
        nonce: 7,
        connection: 0xfe,
    };
    let mut octets = PREFACE.to_vec();
    let mut frame = |kind, flags, id, payload: &[u8]| {
        let head = Head {
            length: payload.len() as u32,
            kind,
            flags,
            stream: stream(id),
        };
        octets.extend_from_slice(&head.encode());
        octets.extend_from_slice(payload);
    };
    frame(FrameType::SETTINGS, Flags::NONE, 0, &[]);
    let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
    // GET, https, /, and `:authority: a`, which joins the dynamic table and
    // is named from there in the second block.
    let blocks: [&[u8]; 2] = [
        &[0x82, 0x87, 0x84, 0x41, 1, b'a'],
        &[0x82, 0x87, 0x84, 0xbe],
    ];
    for (id, block) in [1, 3].into_iter().zip(blocks) {
        let tag = tagger.field(stream(id));
        frame(FrameType::HEADERS, flags, id, &[block, &tag].concat());
    }
    client.write_all(&octets).await.unwrap();
    let mut server = h2::server::handshake(server).await.unwrap();
    for id in [1, 3] {
        let (request, _) = server.accept().await.unwrap().unwrap();
        assert_eq!(request.uri(), "https://a/");
        assert_eq!(request.headers().len(), 1);
        let parsed = tag::parse(tagger.nonce, request.headers()[tag::NAME].as_bytes());
        assert_eq!(parsed, Some((0xfe, stream(id))));
    }
}

#[test]
fn a_tag_leads_to_its_connection_and_stream() {
    let connections: Vec<_> = (0..40).map(|_| Shared::new(false, true)).collect();
    for (shared, id) in connections.iter().zip((1..).step_by(2)) {
        let (found, found_id) = connection(&tag(shared, id)).unwrap();
        assert!(Arc::ptr_eq(&found, shared));
        assert_eq!(found_id, stream(id));
    }
}

#[test]
fn a_connection_is_found_while_it_is_open_and_leaves_nothing_behind() {
    type End = fn(&Shared);
    let ends: [(End, bool); 4] = [
        (|_| (), true),
        (Shared::close, false),
        (Shared::not_http2, false),
        (|shared| (0..2).for_each(|_| shared.close()), false),
    ];
    for (end, is_open) in ends {
        let shared = Shared::new(false, true);
        let (number, tag) = (shared.tagger().unwrap().connection, tag(&shared, 1));
        let state = shared.open_stream(stream(1));
        assert!(shared.say(stream(1), Say::Distrust));
        end(&shared);
        assert_eq!(connection(&tag).is_some(), is_open);
        assert_eq!(is_registered(number), is_open);
        assert_eq!(shared.has_says(), is_open);
        assert_eq!(shared.find_stream(stream(1)).is_some(), is_open);
        assert_eq!(state.is_closed(), !is_open);
        let late = shared.open_stream(stream(3));
        assert_eq!(late.is_closed(), !is_open);
        assert_eq!(shared.find_stream(stream(3)).is_some(), is_open);
        let weak = Arc::downgrade(&shared);
        drop(shared);
        assert!(weak.upgrade().is_none());
        assert!(!is_registered(number));
        assert!(connection(&tag).is_none());
    }
}

#[test]
fn a_connection_that_does_not_mark_streams_has_none() {
    let shared = Shared::new(false, false);
    assert!(shared.tagger().is_none());
    assert!(!shared.open_stream(stream(1)).is_closed());
    assert!(shared.find_stream(stream(1)).is_none());
    assert!(!shared.say(stream(1), Say::Own(Priority::new(0))));
    shared.close_stream(stream(1));
    assert!(!shared.has_says());
    assert_eq!(shared.next_say(), None);
}

#[test]
fn a_tag_of_another_process_leads_nowhere() {
    let shared = Shared::new(false, true);
    shared.open_stream(stream(1));
    let mut tagger = shared.tagger().unwrap();
    tagger.nonce ^= 1;
    assert!(connection(&tagger.field(stream(1))[3 + tag::NAME.len()..]).is_none());
    tagger.nonce ^= 1;
    tagger.connection = u64::MAX;
    assert!(connection(&tagger.field(stream(1))[3 + tag::NAME.len()..]).is_none());
}

#[test]
fn an_own_priority_wakes_the_task_and_shows_at_once() {
    let shared = Shared::new(false, true);
    let alarm = Arc::new(Alarm::default());
    shared.register(Waker::from(Arc::clone(&alarm)));
    let state = shared.open_stream(stream(1));
    assert!(shared.say(stream(1), Say::Field(Priority::new(5))));
    assert_eq!(state.priority(), Priority::new(5));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 0);
    assert!(shared.say(stream(1), Say::Own(Priority::new(1))));
    assert_eq!(state.priority(), Priority::new(1));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    assert!(!shared.say(stream(3), Say::Own(Priority::new(1))));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_field_does_not_hide_an_update_that_came_first() {
    let shared = Shared::new(false, true);
    let state = shared.open_stream(stream(1));
    state.set_priority(Priority::new(2));
    shared.say(stream(1), Say::Field(Priority::new(5)));
    assert_eq!(state.priority(), Priority::new(2));
    shared.say(stream(1), Say::Distrust);
    assert_eq!(state.priority(), Priority::default());
}

#[test]
fn what_other_threads_say_is_not_lost() {
    let shared = Shared::new(false, true);
    let streams = [1, 3, 5].map(stream);
    for id in streams {
        shared.open_stream(id);
    }
    let mut last = BTreeMap::new();
    let ask = |last: &mut BTreeMap<StreamId, Say>| {
        while shared.has_says() {
            last.extend(shared.next_say());
        }
    };
    std::thread::scope(|scope| {
        let speakers = streams.map(|id| {
            let shared = &shared;
            scope.spawn(move || {
                for n in 0..=2_000_u32 {
                    assert!(shared.say(id, Say::Own(Priority::new((n % 8) as u8))));
                }
            })
        });
        while !speakers.iter().all(ScopedJoinHandle::is_finished) {
            ask(&mut last);
        }
    });
    ask(&mut last);
    let expected = streams.map(|id| (id, Say::Own(Priority::new(0))));
    assert_eq!(last, BTreeMap::from(expected));
}

#[derive(Clone, Debug)]
enum Step {
    Open(u32),
    Close(u32),
    Say(u32, Say),
    Next,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..6_u32;
    let priority = (0..8_u8).prop_map(Priority::new);
    let say = prop_oneof![
        Just(Say::Distrust),
        priority.clone().prop_map(Say::Field),
        priority.prop_map(Say::Own),
    ];
    prop_oneof![
        2 => id.clone().prop_map(Step::Open),
        1 => id.clone().prop_map(Step::Close),
        6 => (id, say).prop_map(|(id, say)| Step::Say(id, say)),
        4 => Just(Step::Next),
    ]
}

proptest! {
    /// A plain list for each open stream, of which the last of each kind counts.
    #[test]
    fn what_was_said_is_what_a_plain_list_holds(steps in prop::collection::vec(step(), 0..80)) {
        let shared = Shared::new(false, true);
        let mut naive: BTreeMap<u32, Vec<Say>> = BTreeMap::new();
        let kind = |say: &Say| match say {
            Say::Distrust => 0,
            Say::Field(_) => 1,
            Say::Own(_) => 2,
        };
        for step in steps {
            match step {
                Step::Open(id) => {
                    shared.open_stream(stream(id));
                    naive.entry(id).or_default();
                }
                Step::Close(id) => {
                    shared.close_stream(stream(id));
                    naive.remove(&id);
                }
                Step::Say(id, say) => {
                    let known = naive.get_mut(&id);
                    prop_assert_eq!(shared.say(stream(id), say), known.is_some());
                    if let Some(says) = known {
                        says.retain(|other| kind(other) != kind(&say));
                        says.push(say);
                        says.sort_by_key(kind);
                    }
                }
                Step::Next => {
                    let next = naive.iter_mut().find(|(_, says)| !says.is_empty());
                    let next = next.map(|(id, says)| (stream(*id), says.remove(0)));
                    prop_assert_eq!(shared.next_say(), next);
                }
            }
            prop_assert_eq!(shared.has_says(), naive.values().any(|says| !says.is_empty()));
            for id in 1..6 {
                let found = shared.find_stream(stream(id));
                prop_assert_eq!(found.is_some(), naive.contains_key(&id));
            }
        }
    }
}
