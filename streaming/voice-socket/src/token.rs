//! What proves to a program that it is us, where it stands in a file.

use model::Secret;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Octets of a file of a token at most.
const LONGEST: u64 = 8_192;

/// Why a file gives no token.
#[derive(Debug)]
pub enum TokenError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// Nothing is in it.
    Empty,
    /// It is longer than any header field may be.
    TooLong,
    /// Something stands in it that no token has. It is not shown: it may be one all the same.
    Characters,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Unreadable(error) => write!(f, "cannot be read ({error})"),
            TokenError::Empty => f.write_str("is empty; write the token into it"),
            TokenError::TooLong => write!(f, "has more than {LONGEST} octets"),
            TokenError::Characters => f.write_str(
                "holds more than a token: letters, digits and signs of ASCII, without spaces, in one line",
            ),
        }
    }
}

impl std::error::Error for TokenError {}

/// Reads the token in a file, without white space around it.
///
/// # Errors
/// [`TokenError`].
pub fn read_token(path: &Path) -> Result<Secret, TokenError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(path)?.take(LONGEST + 1).read_to_end(&mut octets)?;
        Ok(octets)
    };
    let octets = read().map_err(TokenError::Unreadable)?;
    if octets.len() as u64 > LONGEST {
        return Err(TokenError::TooLong);
    }
    let token = octets.trim_ascii();
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    let text = std::str::from_utf8(token).map_err(|_| TokenError::Characters)?;
    if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(TokenError::Characters);
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_gives_its_token_or_says_why_not() {
        let folder = std::env::temp_dir().join(format!("tandem-token-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        let read = |octets: &[u8]| {
            fs::write(&path, octets).unwrap();
            read_token(&path)
        };
        assert_eq!(read(b" open-sesame\n").unwrap().reveal(), "open-sesame");
        assert!(matches!(read(b" \n"), Err(TokenError::Empty)));
        assert!(matches!(read(&[b'a'; 8_193]), Err(TokenError::TooLong)));
        for octets in [b"open sesame".as_slice(), b"one\ntwo", b"\xff", "ä".as_bytes()] {
            let error = read(octets).unwrap_err();
            assert!(matches!(error, TokenError::Characters), "{error}");
            assert!(!error.to_string().contains("sesame"));
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(read_token(&path), Err(TokenError::Unreadable(_))));
    }
}
