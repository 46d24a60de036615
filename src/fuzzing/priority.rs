use super::Source;
use crate::{Flags, Frame, FrameType, Priority, PriorityField, PriorityUpdate, StreamId};

pub(super) fn fuzz(mut source: Source<'_>) {
    let on = StreamId::from_wire(u32::from(source.octets::<1>()[0] / 128));
    let octets = source.rest();

    // As a field of one line, and of several.
    let field = PriorityField::parse(octets);
    check(field, octets);
    let lines = || octets.split(|octet| *octet == b'\n');
    let joined: Vec<_> = lines().collect();
    check(
        PriorityField::parse_lines(lines()),
        &joined.join(&b", "[..]),
    );

    // What it says is said again by what it prints.
    assert_eq!(PriorityField::parse(field.to_string().as_bytes()), field);
    let client = Priority::from(field);
    let again = PriorityField::from(client);
    assert_eq!(PriorityField::parse(again.to_string().as_bytes()), again);
    assert_eq!(Priority::from(again), client);
    let merged = Priority::new(6).incremental(true).merged(field);
    assert_eq!(merged.urgency(), field.urgency().unwrap_or(6));
    assert_eq!(merged.is_incremental(), field.incremental().unwrap_or(true));

    // As the payload of a frame.
    let update = PriorityUpdate::parse(on, octets);
    let id = octets.iter().take(4).fold(0, |n, o| n << 8 | u32::from(*o)) & (u32::MAX >> 1);
    match &update {
        Ok(update) => {
            assert!(on.is_connection() && octets.len() >= 4 && id > 0);
            assert_eq!(update.stream().get(), id);
            check(update.field(), &octets[4..]);
        }
        Err(error) => {
            assert!(!on.is_connection() || octets.len() < 4 || id == 0);
            let is_short = on.is_connection() && octets.len() < 4;
            assert_eq!(error.code(), if is_short { 6 } else { 1 });
        }
    }
    let kind = FrameType::PRIORITY_UPDATE;
    let frame = Frame::from_parts(kind, Flags::NONE, on, octets.to_vec());
    assert_eq!(frame.as_priority_update(), Some(update));
}

/// `field` says what a plain reading of RFC 9651 says.
fn check(field: PriorityField, value: &[u8]) {
    let Ok(members) = Reader(value).dictionary() else {
        assert_eq!(field, PriorityField::default());
        return;
    };
    let last = |key: &[u8]| members.iter().rev().find(|member| member.0 == key);
    let urgency = last(b"u").and_then(|member| match member.1 {
        Item::Integer(n @ 0..8) => Some(n as u8),
        _ => None,
    });
    let incremental = last(b"i").and_then(|member| match member.1 {
        Item::Boolean(yes) => Some(yes),
        _ => None,
    });
    assert_eq!(
        (field.urgency(), field.incremental()),
        (urgency, incremental)
    );
}

/// It is no Dictionary.
struct Invalid;

enum Item {
    Integer(i64),
    Boolean(bool),
    Other,
}

/// The algorithms of RFC 9651, section 4.2, step by step.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn dictionary(mut self) -> Result<Vec<(&'a [u8], Item)>, Invalid> {
        self.skip(b" ");
        let mut members = Vec::new();
        while !self.0.is_empty() {
            let key = self.key()?;
            let item = match self.eats(b'=') {
                true if self.0.first() == Some(&b'(') => self.inner_list()?,
                true => self.bare_item()?,
                false => Item::Boolean(true),
            };
            self.parameters()?;
            members.push((key, item));
            self.skip(b" \t");
            if self.0.is_empty() {
                return Ok(members);
            }
            self.expect(b',')?;
            self.skip(b" \t");
            if self.0.is_empty() {
                return Err(Invalid);
            }
        }
        Ok(members)
    }

    fn inner_list(&mut self) -> Result<Item, Invalid> {
        self.expect(b'(')?;
        loop {
            self.skip(b" ");
            if self.eats(b')') {
                return Ok(Item::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return Err(Invalid);
            }
        }
    }

    fn parameters(&mut self) -> Result<(), Invalid> {
        while self.eats(b';') {
            self.skip(b" ");
            self.key()?;
            if self.eats(b'=') {
                self.bare_item()?;
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<&'a [u8], Invalid> {
        if !matches!(self.0.first(), Some(b'a'..=b'z' | b'*')) {
            return Err(Invalid);
        }
        Ok(self.run(|octet| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"_-.*".contains(&octet)
        }))
    }

    fn bare_item(&mut self) -> Result<Item, Invalid> {
        match self.0.first().ok_or(Invalid)? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
                let of_token = b"!#$%&'*+-.^_`|~:/";
                self.run(|octet| octet.is_ascii_alphanumeric() || of_token.contains(&octet));
                Ok(Item::Other)
            }
            b':' => self.byte_sequence(),
            b'?' => {
                self.expect(b'?')?;
                match self.octet()? {
                    b'0' => Ok(Item::Boolean(false)),
                    b'1' => Ok(Item::Boolean(true)),
                    _ => Err(Invalid),
                }
            }
            b'@' => {
                self.expect(b'@')?;
                match self.number()? {
                    Item::Integer(_) => Ok(Item::Other),
                    _ => Err(Invalid),
                }
            }
            b'%' => self.display_string(),
            _ => Err(Invalid),
        }
    }

    fn number(&mut self) -> Result<Item, Invalid> {
        let is_negative = self.eats(b'-');
        let whole = self.run(|octet| octet.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 {
            return Err(Invalid);
        }
        if self.eats(b'.') {
            let part = self.run(|octet| octet.is_ascii_digit());
            let is_decimal = whole.len() <= 12 && (1..=3).contains(&part.len());
            return if is_decimal {
                Ok(Item::Other)
            } else {
                Err(Invalid)
            };
        }
        let number = whole.iter().fold(0, |n, o| n * 10 + i64::from(o - b'0'));
        Ok(Item::Integer(if is_negative { -number } else { number }))
    }

    fn string(&mut self) -> Result<Item, Invalid> {
        self.expect(b'"')?;
        loop {
            match self.octet()? {
                b'"' => return Ok(Item::Other),
                b'\\' if !matches!(self.octet()?, b'"' | b'\\') => return Err(Invalid),
                b'\\' | b' '..=b'~' => {}
                _ => return Err(Invalid),
            }
        }
    }

    fn display_string(&mut self) -> Result<Item, Invalid> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.octet()? {
                b'"' => {
                    let is_utf8 = String::from_utf8(text).is_ok();
                    return if is_utf8 {
                        Ok(Item::Other)
                    } else {
                        Err(Invalid)
                    };
                }
                b'%' => {
                    let mut value = 0;
                    for _ in 0..2 {
                        let digit = self.octet()?;
                        let digit = match digit {
                            b'0'..=b'9' => digit - b'0',
                            b'a'..=b'f' => digit - b'a' + 10,
                            _ => return Err(Invalid),
                        };
                        value = value << 4 | digit;
                    }
                    text.push(value);
                }
                octet @ b' '..=b'~' => text.push(octet),
                _ => return Err(Invalid),
            }
        }
    }

    fn byte_sequence(&mut self) -> Result<Item, Invalid> {
        self.expect(b':')?;
        let digits = self.run(|octet| octet.is_ascii_alphanumeric() || b"+/".contains(&octet));
        let padding = self.run(|octet| octet == b'=');
        self.expect(b':')?;
        // Padding may be missing ("synthesizing padding if necessary").
        let most = match digits.len() % 4 {
            0 => 0,
            1 => return Err(Invalid),
            2 => 2,
            _ => 1,
        };
        match padding.len() <= most {
            true => Ok(Item::Other),
            false => Err(Invalid),
        }
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|octet| !belongs(*octet));
        let (run, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        run
    }

    fn skip(&mut self, octets: &[u8]) {
        self.run(|octet| octets.contains(&octet));
    }

    fn octet(&mut self) -> Result<u8, Invalid> {
        let (octet, rest) = self.0.split_first().ok_or(Invalid)?;
        self.0 = rest;
        Ok(*octet)
    }

    fn eats(&mut self, octet: u8) -> bool {
        let eats = self.0.first() == Some(&octet);
        self.0 = &self.0[usize::from(eats)..];
        eats
    }

    fn expect(&mut self, octet: u8) -> Result<(), Invalid> {
        if self.eats(octet) {
            Ok(())
        } else {
            Err(Invalid)
        }
    }
}
