//! The reply to a query.

use domain::base::iana::{Class, ExtendedErrorCode, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AnswerBuilder, RecordSectionBuilder, StaticCompressor};
use domain::base::name::{Name, ToName};
use domain::base::opt::ExtendedError;
use domain::base::rdata::ComposeRecordData as _;
use domain::base::{Message, MessageBuilder, RecordData as _, Serial, Ttl};
use domain::rdata::{A, Aaaa, AllRecordData, Cname, Mx, Ns, Soa, Tlsa, Txt};

use super::signing::{Flaw, WireName};
use super::{NameServer, Transport};
use crate::chance::Stream;
use crate::clock;
use crate::ledger::DnsSeen;
use crate::zone::{self, Answer, Code, Cut, Data, Kind, cut};

/// Short, as for names that change.
pub(super) const TTL: Ttl = Ttl::from_secs(300);
/// As for names that hardly ever change: half of it is less than the time between the first two epochs.
const LONG_TTL: Ttl = Ttl::from_secs(20 * 86_400);
/// What the server takes and sends over UDP at most, whatever the client offers (DNS flag day 2020).
const UDP_BYTES_MAX: u16 = 1_232;
/// Without EDNS (RFC 1035 §4.2.1).
const PLAIN_UDP_BYTES_MAX: u16 = 512;

/// A record's data.
pub(super) type Typed = AllRecordData<Vec<u8>, WireName>;

/// Records of one name and type, and the zone that they are in.
pub(super) struct Set {
    pub(super) owner: WireName,
    pub(super) records: Vec<Typed>,
    pub(super) zone: Cut,
    pub(super) flaw: Option<Flaw>,
    pub(super) ttl: Ttl,
}

/// What is answered, before it is put into a message.
pub(super) struct Reply {
    pub(super) rcode: Rcode,
    /// Whether a resolver that validates finds all of it signed, and was asked for its word.
    pub(super) authenticated: bool,
    pub(super) answer: Vec<Set>,
    pub(super) authority: Vec<Set>,
    /// Why it fails.
    why: Option<ExtendedErrorCode>,
}

impl Reply {
    pub(super) fn failed(rcode: Rcode, why: Option<ExtendedErrorCode>) -> Self {
        Self { rcode, authenticated: false, answer: Vec::new(), authority: Vec::new(), why }
    }
}

/// A question, and how it is put.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// In lower case, without the last dot.
    pub(super) name: &'a str,
    pub(super) wire: &'a WireName,
    class: Class,
    pub(super) rtype: Rtype,
    opcode: Opcode,
    /// The word of a resolver that validates is asked for (RFC 6840 §5.7).
    pub(super) vouched: bool,
    /// What does not validate is asked for as well (RFC 4035 §3.2.2).
    unchecked: bool,
    /// Signatures are asked for (RFC 3225).
    pub(super) signatures: bool,
}

type Builder = AnswerBuilder<StaticCompressor<Vec<u8>>>;

impl NameServer {
    /// The reply to a query (none to what is not a query, or is lost on the way), and what to note of it.
    pub(super) fn respond(
        &self,
        query: &[u8],
        transport: Transport,
        mut buffer: Vec<u8>,
    ) -> (Option<Vec<u8>>, Option<DnsSeen>) {
        buffer.clear();
        let Ok(query) = Message::from_octets(query) else { return (None, None) };
        if query.header().qr() {
            return (None, None);
        }
        let Ok(question) = query.sole_question() else { return (malformed(&query, buffer), None) };
        let mut row = DnsSeen {
            time_us: clock::now_us(),
            transport: if transport == Transport::Udp { "udp" } else { "tcp" },
            name: presented(question.qname()),
            kind: question.qtype().to_int(),
            rcode: None,
            truncated: false,
        };
        let draw = self.world.chance.draw_text(Stream::Truncation, row.name.as_bytes()).next(row.kind.into());
        let dns = &self.world.params().dns;
        if transport == Transport::Udp && draw.next(u64::from(query.header().id())).hits(dns.loss) {
            return (None, Some(row));
        }
        let truncate = transport == Transport::Udp && draw.hits(dns.truncation);
        let header = query.header();
        let signatures = query.opt().is_some_and(|opt| opt.dnssec_ok());
        let wire: WireName = question.qname().to_vec();
        let reply = self.reply(Question {
            name: &row.name,
            wire: &wire,
            class: question.qclass(),
            rtype: question.qtype(),
            opcode: header.opcode(),
            vouched: (header.ad() || signatures) && !header.cd(),
            unchecked: header.cd(),
            signatures,
        });
        row.rcode = Some(u16::from(reply.rcode.to_int()));
        let Ok(mut builder) = MessageBuilder::from_target(StaticCompressor::new(buffer));
        if transport == Transport::Udp {
            builder.set_push_limit(usize::from(udp_limit(&query)));
        }
        let Ok(mut builder) = builder.start_answer(&query, reply.rcode) else { return (None, Some(row)) };
        builder.header_mut().set_ra(true);
        builder.header_mut().set_ad(reply.authenticated);
        builder.header_mut().set_cd(header.cd());
        let (bytes, truncated) = self.written(builder, &query, &reply, (truncate, signatures));
        row.truncated = truncated;
        (bytes, Some(row))
    }

    /// Puts a reply into a message, and says whether it did not fit.
    fn written(
        &self,
        mut builder: Builder,
        query: &Message<&[u8]>,
        reply: &Reply,
        (truncate, signatures): (bool, bool),
    ) -> (Option<Vec<u8>>, bool) {
        let mut push = |set: &Set| self.push(&mut builder, set, signatures);
        let mut whole = !truncate && reply.answer.iter().all(|set| push(set).is_some());
        if !whole {
            builder.rewind();
        }
        let mut builder = builder.authority();
        if whole && !reply.authority.iter().all(|set| self.push(&mut builder, set, signatures).is_some()) {
            builder.rewind();
            // A negative answer is one without its SOA, too; without its proofs it is none.
            whole = !signatures;
        }
        builder.header_mut().set_tc(!whole);
        let mut builder = builder.additional();
        if query.opt().is_some() {
            let pushed = builder.opt(|opt| {
                opt.set_udp_payload_size(UDP_BYTES_MAX);
                opt.set_dnssec_ok(signatures);
                reply.why.map_or(Ok(()), |code| opt.push(&ExtendedError::<&[u8]>::from(code)))
            });
            if pushed.is_err() {
                return (None, !whole);
            }
        }
        (Some(builder.finish().into_target()), !whole)
    }

    /// Puts a set into a message, with its signature where one is asked for and there is one.
    fn push(
        &self,
        builder: &mut impl RecordSectionBuilder<StaticCompressor<Vec<u8>>>,
        set: &Set,
        signatures: bool,
    ) -> Option<()> {
        for record in &set.records {
            builder.push((&set.owner, Class::IN, set.ttl, record)).ok()?;
        }
        let Some(first) = set.records.first().filter(|_| signatures && set.zone.signed) else {
            return Some(());
        };
        let canonical = |record: &Typed| {
            let mut bytes = Vec::new();
            let Ok(()) = record.compose_canonical_rdata(&mut bytes);
            bytes
        };
        let datas = set.records.iter().map(canonical).collect();
        let zone = (set.zone.apex.as_str(), encoded(&set.zone.apex)?);
        let signature = self.signer.sign(zone, (&set.owner, first.rtype(), set.ttl), datas, set.flaw)?;
        builder.push((&set.owner, Class::IN, set.ttl, signature)).ok()
    }

    fn reply(&self, question: Question<'_>) -> Reply {
        if question.opcode != Opcode::QUERY {
            return Reply::failed(Rcode::NOTIMP, None);
        }
        if question.class != Class::IN {
            return Reply::failed(Rcode::REFUSED, None);
        }
        if let Some(reply) = self.at_cut(question) {
            return reply;
        }
        let answer = zone::answer(&self.world, question.name, kind_of(question.rtype));
        match answer.code {
            Code::ServFail => Reply::failed(Rcode::SERVFAIL, None),
            Code::NotImp => Reply::failed(Rcode::NOTIMP, None),
            Code::Refused => Reply::failed(Rcode::REFUSED, None),
            Code::NoError | Code::NxDomain => self.resolved(question, &answer),
        }
    }

    /// The reply where the world has an answer, be it that there is nothing.
    fn resolved(&self, question: Question<'_>, answer: &Answer) -> Reply {
        let flaw = answer.bogus.then(|| self.flaw(question.name));
        // A resolver that validates keeps to itself what does not, but for those who want to see it.
        if let Some(flaw) = flaw.filter(|_| !question.unchecked) {
            let why = match flaw {
                Flaw::Expired => ExtendedErrorCode::SIGNATURE_EXPIRED,
                Flaw::Broken => ExtendedErrorCode::DNSSEC_BOGUS,
            };
            return Reply::failed(Rcode::SERVFAIL, Some(why));
        }
        let here = cut(&self.world, question.name);
        let mut reply = Reply::failed(Rcode::NOERROR, None);
        let mut signed = here.signed;
        let mut end = (question.name.to_owned(), question.wire.clone());
        if let Some(target) = &answer.cname {
            let Some(wire) = encoded(target) else { return Reply::failed(Rcode::SERVFAIL, None) };
            let records = vec![Cname::new(wire.clone()).into()];
            reply.answer.push(Set { owner: question.wire.clone(), records, zone: here, flaw, ttl: TTL });
            signed &= cut(&self.world, target).signed;
            end = (target.clone(), wire);
        }
        let zone = cut(&self.world, &end.0);
        if !answer.records.is_empty() {
            let records = answer.records.iter().map(|data| self.typed(data)).collect::<Option<Vec<_>>>();
            let Some(records) = records else { return Reply::failed(Rcode::SERVFAIL, None) };
            let long_lived = |data: &Data| matches!(data, Data::Tlsa { long_lived: true, .. });
            let ttl = if answer.records.iter().any(long_lived) { LONG_TTL } else { TTL };
            reply.answer.push(Set { owner: end.1, records, zone, flaw, ttl });
        } else if answer.cname.is_none() || question.rtype != Rtype::CNAME {
            let is_absent = answer.code == Code::NxDomain;
            if is_absent {
                reply.rcode = Rcode::NXDOMAIN;
            }
            let types = (!is_absent).then(|| self.types_there(&end.0));
            reply.authority = self.negative(&zone, &end.0, types.as_deref(), question.signatures);
        }
        reply.authenticated = question.vouched && signed && flaw.is_none();
        reply
    }

    /// What is wrong with the signatures at a name that does not validate.
    fn flaw(&self, name: &str) -> Flaw {
        let draw = self.world.chance.draw_text(Stream::Flaw, name.as_bytes());
        if draw.hits(0.5) { Flaw::Expired } else { Flaw::Broken }
    }

    fn typed(&self, data: &Data) -> Option<Typed> {
        Some(match data {
            Data::A(address) => A::new(*address).into(),
            Data::Aaaa(address) => Aaaa::new(*address).into(),
            Data::Mx(preference, exchange) => Mx::new(*preference, encoded(exchange)?).into(),
            Data::Ns(server) => Ns::new(encoded(server)?).into(),
            Data::Txt(segments) => {
                let mut wire = Vec::with_capacity(segments.iter().map(|s| s.len() + 1).sum());
                for segment in segments {
                    wire.push(u8::try_from(segment.len()).ok()?);
                    wire.extend_from_slice(segment);
                }
                Txt::from_octets(wire).ok()?.into()
            }
            Data::Tlsa { host, leaf, record, .. } => {
                let data = self.authority.association(host, *leaf, record.data).ok()?;
                let (usage, selector) = (record.usage.into(), record.selector.into());
                Tlsa::new(usage, selector, record.matching.into(), data).into()
            }
        })
    }
}

/// The start of authority of a zone (RFC 2308 §3).
pub(super) fn soa(zone: Cut) -> Option<Set> {
    let owner = encoded(&zone.apex)?;
    let soa = Soa::new(owner.clone(), owner.clone(), Serial(1), TTL, TTL, TTL, TTL);
    Some(Set { owner, records: vec![soa.into()], zone, flaw: None, ttl: TTL })
}

/// The reply to what has no question, or more than one.
fn malformed(query: &Message<&[u8]>, buffer: Vec<u8>) -> Option<Vec<u8>> {
    let Ok(builder) = MessageBuilder::from_target(StaticCompressor::new(buffer));
    let builder = builder.start_answer(query, Rcode::FORMERR).ok()?;
    Some(builder.finish().into_target())
}

fn udp_limit(query: &Message<&[u8]>) -> u16 {
    query
        .opt()
        .map_or(PLAIN_UDP_BYTES_MAX, |opt| opt.udp_payload_size().clamp(PLAIN_UDP_BYTES_MAX, UDP_BYTES_MAX))
}

fn kind_of(rtype: Rtype) -> Kind {
    match rtype {
        Rtype::A => Kind::A,
        Rtype::AAAA => Kind::Aaaa,
        Rtype::MX => Kind::Mx,
        Rtype::NS => Kind::Ns,
        Rtype::TXT => Kind::Txt,
        Rtype::TLSA => Kind::Tlsa,
        _ => Kind::Other,
    }
}

/// A name as text: lower case, without the last dot. Bytes that no name of a world has become `?`.
fn presented(name: impl ToName) -> String {
    let mut text = String::with_capacity(64);
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.as_slice().iter().map(|byte| match byte {
            b'!'..=b'-' | b'/'..=b'~' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
    }
    text
}

/// The wire form of a name; the empty text is the root.
pub(super) fn encoded(name: &str) -> Option<WireName> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    Name::from_octets(wire).ok()
}
