use super::*;
use crate::HandleError;

/// A service that answers with what it finds in the request's extensions.
fn found(request: Request<()>) -> Result<Response<(bool, Option<Priority>)>, &'static str> {
    let (head, ()) = request.into_parts();
    assert!(!head.headers.contains_key(&TAG));
    let priority = head.extensions.get::<Priority>().copied();
    let has_stream = head.extensions.get::<StreamHandle>().is_some();
    Ok(Response::new((has_stream, priority)))
}

fn request(fields: &[(&'static str, &str)]) -> Request<()> {
    let fields = fields.iter();
    let request = fields.fold(Request::get("/a"), |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(()).unwrap()
}

fn tagged(mut request: Request<()>, tag: &HeaderValue) -> Request<()> {
    request.headers_mut().append(&TAG, tag.clone());
    request
}

#[test]
fn the_handle_is_in_both_extensions_and_works() {
    let (shared, state, tag) = connection(false);
    let response = call(
        &PriorityLayer::new(),
        tagged(request(&[]), &tag),
        |request| {
            let handle: StreamHandle = request.extensions().get().cloned().unwrap();
            handle.set_priority(Priority::new(1)).unwrap();
            assert_eq!(handle.priority(), Priority::new(1));
            Ok(Response::new(()))
        },
    );
    let response = response.unwrap();
    let handle = response.extensions().get::<StreamHandle>().unwrap();
    assert_eq!(handle.id(), stream(1));
    assert_eq!(handle.priority(), Priority::new(1));
    assert!(!handle.connection().is_closed());
    assert_eq!(says(&shared), [Say::Own(Priority::new(1))]);

    state.set_octets(7, 8);
    let stats = handle.stats();
    assert_eq!(
        (stats.sent_octets, stats.queued_octets, stats.closed),
        (7, 8, false)
    );
    shared.close_stream(stream(1));
    assert_eq!(handle.stats().queued_octets, 0);
    assert!(handle.stats().closed);
    assert_eq!(
        handle.set_priority(Priority::new(0)),
        Err(HandleError::Closed)
    );
    assert_eq!(handle.priority(), Priority::new(1));
    assert!(!shared.has_says());
}

#[test]
fn a_handle_outlives_its_connection() {
    let (shared, _, tag) = connection(false);
    let response = call(&PriorityLayer::new(), tagged(request(&[]), &tag), found).unwrap();
    let handle = response.extensions().get::<StreamHandle>().unwrap().clone();
    shared.close();
    drop(shared);
    assert_eq!(
        handle.set_priority(Priority::new(0)),
        Err(HandleError::Closed)
    );
    assert!(handle.stats().closed);
    assert!(handle.connection().is_closed());
    assert!(format!("{handle:?}").starts_with("StreamHandle { id: StreamId(1)"));
}

#[test]
fn t2_the_last_tag_counts_and_all_go() {
    let (shared, _, tag) = connection(false);
    shared.open_stream(stream(3));
    let other = value(&shared.tagger().unwrap().field(stream(3)));
    let mut tagger = shared.tagger().unwrap();
    tagger.nonce ^= 1 << 77;
    let foreign = value(&tagger.field(stream(1)));
    let unknown = value(&shared.tagger().unwrap().field(stream(5)));
    let (dead, _, dead_tag) = connection(false);
    dead.close();
    let (gone, _, gone_tag) = connection(false);
    drop(gone);
    let junk = HeaderValue::from_static("junk");

    let cases: [(&[&HeaderValue], Option<u32>); 11] = [
        (&[], None),
        (&[&tag], Some(1)),
        (&[&other, &tag], Some(1)),
        (&[&tag, &other], Some(3)),
        (&[&junk, &foreign, &tag], Some(1)),
        (&[&tag, &foreign], None),
        (&[&tag, &junk], None),
        (&[&foreign], None),
        (&[&unknown], None),
        (&[&dead_tag], None),
        (&[&gone_tag], None),
    ];
    for (tags, expected) in cases {
        let request = tags
            .iter()
            .fold(request(&[("priority", "u=1")]), |r, tag| tagged(r, tag));
        let response = call(&PriorityLayer::new(), request, found).unwrap();
        let handle = response.extensions().get::<StreamHandle>();
        assert_eq!(handle.map(|handle| handle.id().get()), expected, "{tags:?}");
        let found = (expected.is_some(), Some(Priority::new(1)));
        assert_eq!(*response.body(), found, "{tags:?}");
    }
}

#[test]
fn t1_no_tag_goes_out() {
    let (_shared, _, tag) = connection(false);
    let response = call(&PriorityLayer::new(), request(&[]), |_| {
        let response = Response::builder().header(&TAG, &tag).header(&TAG, "junk");
        Ok(response.body(()).unwrap())
    });
    assert!(response.unwrap().headers().is_empty());
}

#[test]
fn what_is_default_is_not_said() {
    let (shared, _, tag) = connection(false);
    for fields in [
        &[][..],
        &[("priority", "u=3")],
        &[("priority", "?")],
        &[("priority", "u=9")],
    ] {
        let layer = PriorityLayer::new()
            .announce(true)
            .classify(|_, _| None)
            .classify_response(|_, _| None);
        let response = call(&layer, tagged(request(fields), &tag), |_| {
            let response = Response::builder().header("priority", "u=8, i=1");
            Ok(response.body(()).unwrap())
        });
        assert_eq!(response.unwrap().headers()["priority"], "u=8, i=1");
        assert!(!shared.has_says(), "{fields:?}");
    }
}

/// Every combination, against the rules one by one.
#[test]
fn p1_a_requests_priority_by_its_sources() {
    let forwarded = [
        None,
        Some("via"),
        Some("forwarded"),
        Some("x-forwarded-for"),
    ];
    let fields = [
        (&[][..], Priority::new(3)),
        (&["u=1"], Priority::new(1)),
        (&["u=3"], Priority::new(3)),
        (&["i"], Priority::new(3).incremental(true)),
        (&["u=4", "i, u=5"], Priority::new(5).incremental(true)),
        (&["u=1", ","], Priority::new(3)),
    ];
    let (update, own) = (Priority::new(2), Priority::new(6));
    for bits in 0..16_u8 {
        let [trust, classify, updated, has_stream] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        for by in forwarded {
            for (lines, asked) in fields {
                let (shared, state, tag) = connection(false);
                if updated {
                    state.set_priority(update);
                }
                let mut layer = PriorityLayer::new().trust_forwarded(trust);
                if classify {
                    layer = layer.classify(move |_, _| Some(own));
                }
                let lines = lines.iter().map(|line| ("priority", *line));
                let by_field = by.map(|name| (name, "for=192.0.2.1"));
                let fields: Vec<_> = lines.chain(by_field).collect();
                let mut request = request(&fields);
                if has_stream {
                    request = tagged(request, &tag);
                }

                let distrusted = by.is_some() && !trust;
                let mut expected = asked;
                if updated && has_stream {
                    expected = update;
                }
                if distrusted {
                    expected = Priority::default();
                }
                if classify {
                    expected = own;
                }
                let mut expected_says = Vec::new();
                if distrusted {
                    expected_says.push(Say::Distrust);
                } else if asked != Priority::default() {
                    expected_says.push(Say::Field(asked));
                }
                if classify {
                    expected_says.push(Say::Own(own));
                }
                if !has_stream {
                    expected_says.clear();
                }

                let response = call(&layer, request, found).unwrap();
                let case = format!("{fields:?}, {layer:?}, {updated}, {has_stream}");
                assert_eq!(*response.body(), (has_stream, Some(expected)), "{case}");
                assert_eq!(says(&shared), expected_says, "{case}");
                if has_stream {
                    assert_eq!(state.priority(), expected, "{case}");
                }
            }
        }
    }
}

/// Every combination, against the rules one by one.
#[test]
fn rfc9218_8_a_responses_priority_by_its_sources() {
    let asked = Priority::new(5).incremental(true);
    // As the examples of the section: `u=5, i` from the client, and from the
    // server...
    let fields = [
        (None, None),
        (Some("u=1"), Some("u=1, i")),
        (Some("u=3"), Some("i")),
        (Some("i=?0"), Some("u=5")),
        (Some("u=8, i=?0"), Some("u=5")),
        (Some("u=0, i=?0"), Some("u=0")),
        (Some(""), None),
        (Some("u=1, ="), None),
    ];
    let parsed = |text: &str| Priority::from(PriorityField::parse(text.as_bytes()));
    let (stated, ruled) = (Priority::new(0), Priority::new(6));
    for bits in 0..16_u8 {
        let [states, classify, announce, has_stream] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        for (field, merged) in fields {
            let (shared, state, tag) = connection(false);
            let mut layer = PriorityLayer::new().announce(announce);
            if classify {
                layer = layer.classify_response(move |response, priority| {
                    assert_eq!(response.status, 200);
                    assert_eq!(priority, asked);
                    Some(ruled)
                });
            }
            let mut request = request(&[("priority", "u=5, i")]);
            if has_stream {
                request = tagged(request, &tag);
            }
            let response = call(&layer, request, |_| {
                let mut response = Response::new(());
                if let Some(field) = field {
                    let field = HeaderValue::from_static(field);
                    response.headers_mut().insert(&PRIORITY, field);
                }
                if states {
                    response.extensions_mut().insert(stated);
                }
                Ok(response)
            });

            let mut own = merged.map(parsed);
            if classify {
                let field = PriorityField::parse(field.unwrap_or_default().as_bytes());
                own = Some(ruled.merged(field));
            }
            if states {
                own = Some(stated);
            }
            let announced = match (announce && field.is_none(), states, classify) {
                (true, true, _) => Some("u=0, i=?0"),
                (true, false, true) => Some("u=6, i=?0"),
                _ => field,
            };

            let response = response.unwrap();
            let case = format!("{field:?}, {states}, {layer:?}, {has_stream}");
            let sent = response.headers().get(&PRIORITY);
            assert_eq!(
                sent.map(HeaderValue::as_bytes),
                announced.map(str::as_bytes),
                "{case}"
            );
            let mut expected = vec![Say::Field(asked)];
            expected.extend(own.map(Say::Own));
            if !has_stream {
                expected.clear();
            }
            assert_eq!(says(&shared), expected, "{case}");
            if has_stream {
                assert_eq!(state.priority(), own.unwrap_or(asked), "{case}");
            }
        }
    }
}

#[test]
fn rfc9218_8_a_response_is_merged_with_what_holds_by_then() {
    let (shared, state, tag) = connection(false);
    let response = call(&PriorityLayer::new(), tagged(request(&[]), &tag), |_| {
        // As if an update had come.
        state.set_priority(Priority::new(6).incremental(true));
        Ok(Response::builder()
            .header("priority", "u=2")
            .body(())
            .unwrap())
    });
    assert!(response.is_ok());
    assert_eq!(
        says(&shared),
        [Say::Own(Priority::new(2).incremental(true))]
    );
}

#[test]
fn rules_see_the_head() {
    let layer = PriorityLayer::new()
        .classify(|request, asked| {
            assert_eq!(request.method, "GET");
            assert!(request.extensions.get::<StreamHandle>().is_some());
            assert!(!request.headers.contains_key(&TAG));
            (request.uri.path() == "/a").then(|| asked.incremental(true))
        })
        .classify_response(|response, priority| {
            let kind = response.headers.get("content-type")?;
            (kind == "image/png").then(|| Priority::new(priority.urgency() + 1))
        });
    for (kind, last) in [("image/png", Some(Priority::new(2))), ("text/css", None)] {
        let (shared, _, tag) = connection(false);
        let request = tagged(request(&[("priority", "u=1")]), &tag);
        let response = call(&layer, request, |_| {
            let response = Response::builder().header("content-type", kind);
            Ok(response.body(()).unwrap())
        });
        assert!(response.is_ok());
        let last = last.unwrap_or(Priority::new(1).incremental(true));
        let expected = [Say::Field(Priority::new(1)), Say::Own(last)];
        assert_eq!(says(&shared), expected);
    }
}

#[test]
fn a_layer_within_a_layer_changes_what_it_is_told_to() {
    let (shared, _, tag) = connection(false);
    let outer = PriorityLayer::new().classify(|_, _| Some(Priority::new(4)));
    let inner = PriorityLayer::new().classify_response(|_, priority| {
        assert_eq!(priority, Priority::new(4));
        Some(Priority::new(5))
    });
    let request = tagged(request(&[("priority", "u=1"), ("via", "2 a")]), &tag);
    let response = call(&outer, request, |request| call(&inner, request, found)).unwrap();
    assert_eq!(*response.body(), (true, Some(Priority::new(4))));
    assert!(response.extensions().get::<StreamHandle>().is_some());
    assert_eq!(says(&shared), [Say::Distrust, Say::Own(Priority::new(5))]);
}

#[test]
fn readiness_and_errors_pass_through() {
    assert_transparent(&PriorityLayer::new());
    let mut service = PriorityLayer::default().layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert_eq!(service.into_inner(), 7);
}

#[test]
fn an_error_says_nothing_of_its_own() {
    let (shared, _, tag) = connection(false);
    let request = tagged(request(&[("priority", "u=1")]), &tag);
    let failed = call(&PriorityLayer::new(), request, |_| {
        Err::<Response<()>, _>("no")
    });
    assert_eq!(failed.err(), Some("no"));
    assert_eq!(says(&shared), [Say::Field(Priority::new(1))]);
}
