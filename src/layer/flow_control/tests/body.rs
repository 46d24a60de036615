use super::*;

/// A body of stream 1, and the connection.
fn watched(script: Script) -> (FlowControlBody<Script>, Arc<Shared>, Arc<StreamState>) {
    let (shared, state, tag) = connection(false);
    let body = request_body(&FlowControlLayer::new(), tagged(script, &tag));
    (body, shared, state)
}

#[test]
fn each_frame_counts_when_it_is_handed_over() {
    let script = Script::data([3, 0, 16_384]).then(Poll::Pending);
    let (mut body, shared, state) = watched(script);
    assert_eq!(look(&shared, &state), (Some(0), false));
    let mut sum = 0;
    for length in [3, 0, 16_384] {
        assert_eq!(next_length(&mut body), length);
        sum += length as u64;
        // Nobody has asked to be told.
        assert_eq!(look(&shared, &state), (Some(sum), false));
    }
    assert!(poll(&mut body).is_pending());
    assert_eq!(look(&shared, &state), (Some(sum), false));
}

#[test]
fn the_connection_is_told_when_it_asked_for() {
    let (mut body, shared, state) = watched(Script::data([10, 10, 10, 10]));
    look(&shared, &state);
    assert!(state.set_alarm(15));
    next_length(&mut body);
    assert_eq!(look(&shared, &state), (Some(10), false));
    next_length(&mut body);
    assert_eq!(look(&shared, &state), (Some(20), true));
    // Once.
    next_length(&mut body);
    assert_eq!(look(&shared, &state), (Some(30), false));
}

#[test]
fn trailers_are_not_data() {
    let trailers = HeaderMap::from_iter([(TAG.clone(), HeaderValue::from_static("x"))]);
    let script = Script::data([5]).then(Poll::Ready(Some(Ok(Frame::trailers(trailers.clone())))));
    let (mut body, shared, state) = watched(script);
    state.set_received(6, 65_535);
    next_length(&mut body);
    let Poll::Ready(Some(Ok(frame))) = poll(&mut body) else {
        panic!("there are trailers");
    };
    assert_eq!(frame.into_trailers().unwrap(), trailers);
    assert_eq!(look(&shared, &state), (Some(5), false));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn the_end_is_told_once() {
    let (mut body, shared, state) = watched(Script::data([5]));
    state.set_received(6, 65_535);
    next_length(&mut body);
    look(&shared, &state);
    for told in [true, false] {
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
        assert_eq!(look(&shared, &state), (None, told));
    }
    drop(body);
    assert_eq!(look(&shared, &state), (None, false));
}

#[test]
fn an_error_is_the_end() {
    let script = Script::data([5]).then(Poll::Ready(Some(Err("it failed"))));
    let (mut body, shared, state) = watched(script);
    state.set_received(6, 65_535);
    next_length(&mut body);
    look(&shared, &state);
    assert!(matches!(
        poll(&mut body),
        Poll::Ready(Some(Err("it failed")))
    ));
    assert_eq!(look(&shared, &state), (None, true));
    drop(body);
    assert_eq!(look(&shared, &state), (None, false));
}

#[test]
fn an_end_with_all_consumed_wakes_nobody() {
    let error = Poll::Ready(Some(Err("it failed")));
    type End = fn(FlowControlBody<Script>);
    let ends: [(Option<Polled>, End); 4] = [
        (None, |mut body| {
            assert!(matches!(poll(&mut body), Poll::Ready(None)));
        }),
        (Some(error), |mut body| {
            assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
        }),
        (None, drop),
        (None, |body| drop(body.into_inner())),
    ];
    for (last, end) in ends {
        let mut script = Script::data([5, 6]);
        script.polls.extend(last);
        let (mut body, shared, state) = watched(script);
        state.set_received(11, 65_535);
        next_length(&mut body);
        next_length(&mut body);
        assert_eq!(look(&shared, &state), (Some(11), false));
        end(body);
        assert_eq!(look(&shared, &state), (None, false));
    }
}

#[test]
fn a_body_that_is_dropped_half_way_holds_nothing_back() {
    let (mut body, shared, state) = watched(Script::data([5, 6]));
    state.set_received(11, 65_535);
    next_length(&mut body);
    look(&shared, &state);
    assert_eq!(state.unconsumed(), 6);
    drop(body);
    assert_eq!(look(&shared, &state), (None, true));
    assert_eq!(state.unconsumed(), 0);
}

#[test]
fn a_body_that_was_never_read_is_dropped_all_the_same() {
    let (body, shared, state) = watched(Script::data([5]));
    state.set_received(5, 65_535);
    look(&shared, &state);
    drop(body);
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn the_body_inside_is_watched_no_more() {
    let (mut body, shared, state) = watched(Script::data([5, 6]));
    state.set_received(11, 65_535);
    next_length(&mut body);
    look(&shared, &state);
    assert_eq!(body.get_ref().polls.len(), 1);
    let mut script = body.into_inner();
    assert_eq!(look(&shared, &state), (None, true));
    assert_eq!(next_length(&mut script), 6);
    assert_eq!(look(&shared, &state), (None, false));
}

#[test]
fn what_is_taken_past_the_layer_does_not_count() {
    let (mut body, shared, state) = watched(Script::data([5, 6]));
    state.set_received(11, 65_535);
    assert_eq!(next_length(body.get_mut()), 5);
    assert_eq!(next_length(&mut body), 6);
    assert_eq!(look(&shared, &state), (Some(6), false));
    assert_eq!(state.unconsumed(), 5);
    // So the end is told.
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn a_length_is_told_if_it_is_exact() {
    let (body, _shared, state) = watched(Script::data([5]).length(5));
    assert_eq!(state.length(), Some(5));
    assert_eq!(body.size_hint().exact(), Some(5));

    let mut script = Script::data([5]);
    script.hint.set_lower(1);
    script.hint.set_upper(9);
    let (body, _shared, state) = watched(script);
    assert_eq!(state.length(), None);
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (1, Some(9)));
}

#[test]
fn an_empty_body_is_not_watched() {
    let mut script = Script::data([]);
    script.is_end = true;
    let (shared, state, tag) = connection(false);
    // Were it watched, this and the end would be told.
    let mut request = tagged(script, &tag);
    request.extensions_mut().insert(FlowHint::Bulk);
    state.set_received(1, 65_535);
    let mut body = request_body(&FlowControlLayer::new(), request);
    assert_eq!(look(&shared, &state), (None, false));
    assert_eq!(state.hint(), None);
    assert!(body.is_end_stream());
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(look(&shared, &state), (None, false));
}

#[test]
fn the_end_that_the_body_inside_sees_is_passed_on() {
    let (mut body, _shared, _) = watched(Script::data([5]));
    assert!(!body.is_end_stream());
    body.get_mut().is_end = true;
    assert!(body.is_end_stream());
}

#[test]
fn a_body_outlives_its_stream_and_its_connection() {
    let (mut body, shared, state) = watched(Script::data([5, 6]));
    look(&shared, &state);
    shared.close_stream(stream(1));
    assert_eq!(next_length(&mut body), 5);
    assert_eq!(look(&shared, &state), (Some(5), false));
    shared.close();
    drop(shared);
    assert_eq!(next_length(&mut body), 6);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    assert_eq!(state.consumed(), None);
}
