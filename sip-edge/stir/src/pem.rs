//! PEM (RFC 7468): the blocks of one label in a text.

/// The contents of every block of `label`, in order; `None` when one of them cannot be read.
pub(crate) fn blocks(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end)?;
        blocks.push(decoded(body)?);
        rest = after;
    }
    Some(blocks)
}

/// Plain base64 with padding and line ends is base64url in other letters.
fn decoded(body: &str) -> Option<Vec<u8>> {
    let mut text: String = body.split_ascii_whitespace().collect();
    text.truncate(text.trim_end_matches('=').len());
    let text: String = text
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            '-' | '_' => '=',
            other => other,
        })
        .collect();
    crate::base64url::decoded(&text).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_one_label_in_order() {
        let text = "noise\n-----BEGIN A-----\nZm9v\nYg==\n-----END A-----\n-----BEGIN B-----\n\
                    Zg==\n-----END B-----\n-----BEGIN A-----\r\n+/8=\r\n-----END A-----\n";
        assert_eq!(blocks(text, "A"), Some(vec![b"foob".to_vec(), vec![0xfb, 0xff]]));
        assert_eq!(blocks(text, "C"), Some(vec![]));
        assert_eq!(blocks("-----BEGIN A-----\nZm9v", "A"), None, "cut off");
        assert_eq!(blocks("-----BEGIN A-----\n!!\n-----END A-----", "A"), None);
        assert_eq!(blocks("-----BEGIN A-----\n-_8=\n-----END A-----", "A"), None, "base64url");
    }
}
