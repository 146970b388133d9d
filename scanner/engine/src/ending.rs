//! What an error of the operating system says about an exchange.

use std::io::{Error, ErrorKind};

use mxray_evidence::{Cause, Ending, OwnCause, Stage};

/// The ending that an I/O error is: theirs, or ours.
pub(crate) fn of_io(stage: Stage, error: &Error) -> Ending {
    let theirs = |cause| Ending::stopped_with(stage, cause, error);
    let ours = |cause| Ending::Withheld { stage, cause, detail: Some(error.to_string()) };
    if let Some(EMFILE | ENFILE | ENOBUFS) = error.raw_os_error() {
        return ours(OwnCause::Descriptors);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => theirs(Cause::Refused),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            theirs(Cause::Reset)
        }
        ErrorKind::TimedOut => theirs(Cause::Timeout),
        ErrorKind::UnexpectedEof | ErrorKind::NotConnected | ErrorKind::WriteZero => theirs(Cause::Closed),
        ErrorKind::HostUnreachable => theirs(Cause::Unreachable),
        ErrorKind::InvalidData => theirs(Cause::Malformed),
        // Ours of a connection that has given as much as is read of any.
        ErrorKind::FileTooLarge => theirs(Cause::Oversize),
        ErrorKind::OutOfMemory => ours(OwnCause::Descriptors),
        // No route, no address of that family, not permitted: whatever else the operating system may say is about
        // this machine. (An ICMP 'network unreachable' from afar ends no connection attempt: RFC 1122 §4.2.3.9.)
        _ => ours(OwnCause::NoRoute),
    }
}

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
/// As Linux numbers it.
pub(crate) const ENOBUFS: i32 = 105;
