//! Objects of S3 that are too large for a queue, put there in pieces and looked at afterwards.

use crate::answer::{Answer, ServiceError};
use crate::connection::{Connection, Request, Sender};
use crate::fault::Words;
use crate::s3::{self, Encryption, MAX_KEY, encoded, encryption_headers, fault_of};
use crate::{Access, S3Config, Unserved};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Octets of a piece; S3 takes 5 MiB to 5 GiB, 10,000 pieces an object.
pub(crate) const PIECE: usize = 8 * 1_048_576;
/// What is no larger is put in one request.
const WHOLE: u64 = 2 * PIECE as u64;
/// How long one piece may take: 70 kB a second.
const PATIENCE: Duration = Duration::from_secs(240);
pub(crate) const WORDS: Words = Words::of_records("recordings", "s3:PutObject and s3:GetObject");

/// A bucket that files are put into, whole or in pieces.
#[derive(Debug)]
pub struct Objects {
    base: String,
    connection: Connection,
    config: S3Config,
    /// Where [`Objects::begun`] is written down.
    notes: Option<PathBuf>,
    begun: Option<BegunUpload>,
}

/// An upload in pieces that is not complete: what S3 has of it costs money until it is aborted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BegunUpload {
    /// The bucket.
    pub bucket: String,
    /// The object's key, with the prefix.
    pub key: String,
    /// As S3 names it.
    pub id: String,
}

impl BegunUpload {
    /// The one that is written down in `file`; `None` where there is none, or none that can be read.
    pub fn noted(file: &Path) -> Option<BegunUpload> {
        let text = fs::read_to_string(file).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        let (bucket, key, id) = (lines.next()?, lines.next()?, lines.next()?);
        Some(BegunUpload { bucket, key, id })
    }

    fn note(&self, file: &Path) -> io::Result<()> {
        let BegunUpload { bucket, key, id } = self;
        let mut file = fs::File::create(file)?;
        file.write_all(format!("{bucket}\n{key}\n{id}\n").as_bytes())?;
        file.sync_data()
    }
}

/// What is proven of an object: the bucket has it, with the length and SHA-256 of what was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The object's key, with the prefix.
    pub key: String,
    /// As the bucket names it.
    pub etag: String,
    /// Base64 of the SHA-256, or of the pieces' digests' (`…-N`); `None` where the bucket keeps none, and
    /// its length and ETag prove it.
    pub checksum: Option<String>,
}

/// What S3 said on the way.
enum Fault {
    Unserved(Unserved),
    Service(ServiceError),
}

impl From<Unserved> for Fault {
    fn from(trouble: Unserved) -> Self {
        Fault::Unserved(trouble)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        // No service is at fault, so that others need not wait for this one.
        Fault::Unserved(Unserved::Refused(format!("it cannot be read here: {error}")))
    }
}

/// A digest as S3 writes it, and what the bucket answered.
struct Put {
    digest: String,
    etag: Option<String>,
}

impl Objects {
    /// Objects go where `config` says, by the rules of [`S3`](crate::S3).
    pub fn new(access: &Access, config: S3Config) -> Self {
        let base = s3::base(access, &config.bucket);
        let connection = Connection::new(access, s3::PROTOCOL);
        Objects { base, connection, config, notes: None, begun: None }
    }

    /// Writes an upload in pieces down in `file` while it is under way, and knows of the one that is
    /// there already, if it is of this bucket: [`Objects::abort_begun`] ends it.
    #[must_use]
    pub fn noting(mut self, file: PathBuf) -> Self {
        let of_this = |begun: &BegunUpload| begun.bucket == self.config.bucket;
        self.begun = BegunUpload::noted(&file).filter(of_this);
        self.notes = Some(file);
        self
    }

    /// What is left in the bucket of an upload that was interrupted: by a crash, or since the future of
    /// [`Objects::store`] was dropped.
    pub fn begun(&self) -> Option<&BegunUpload> {
        self.begun.as_ref()
    }

    /// Aborts it, if there is one.
    ///
    /// # Errors
    /// [`Unserved`]; then it may be tried again.
    pub async fn abort_begun(&mut self) -> Result<(), Unserved> {
        let Some(begun) = &self.begun else { return Ok(()) };
        let sender = self.connection.prepare().await?;
        let url = format!("{}/{}", self.base, encoded(&begun.key));
        let object = Object { sender: &sender, url, content_type: "", config: &self.config };
        match object.abort(&begun.id).await {
            Ok(()) => {
                self.forget_begun();
                Ok(())
            }
            Err(Fault::Unserved(trouble)) => Err(trouble),
            Err(Fault::Service(error)) => {
                let fault = fault_of(&error, &self.config.bucket, WORDS);
                Err(Unserved::of(fault, &mut self.connection))
            }
        }
    }

    fn forget_begun(&mut self) {
        self.begun = None;
        if let Some(file) = &self.notes {
            // What stays there names an upload that is no more, which can be aborted twice.
            let _ = fs::remove_file(file);
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.config.bucket
    }

    /// Puts `length` octets of `from` into the object `prefix` + `key`, and asks the bucket for it: only
    /// what it has is stored. An object of that key is replaced.
    ///
    /// # Errors
    /// [`Unserved`]; refused also when `from` cannot be read or ends before `length`.
    pub async fn store(
        &mut self,
        key: &str,
        content_type: &str,
        from: &mut (dyn Read + Send),
        length: u64,
    ) -> Result<Stored, Unserved> {
        let key = format!("{}{key}", self.config.prefix);
        if key.len() > MAX_KEY {
            return Err(Unserved::Refused(format!("its key is longer than {MAX_KEY} octets")));
        }
        if self.begun.is_some() {
            // What cannot be aborted a rule of the bucket has to remove.
            let _ = self.abort_begun().await;
        }
        let sender = self.connection.prepare().await?;
        let url = format!("{}/{}", self.base, encoded(&key));
        let config = self.config.clone();
        let object = Object { sender: &sender, url, content_type, config: &config };
        let stored = async {
            let put = match length {
                0..=WHOLE => object.put(from, length).await?,
                _ => self.put_pieces(&object, &key, (from, length)).await?,
            };
            object.look(put, length).await
        };
        match stored.await {
            Ok((etag, checksum)) => Ok(Stored { key, etag, checksum }),
            Err(Fault::Unserved(trouble)) => Err(trouble),
            Err(Fault::Service(error)) => {
                let fault = fault_of(&error, &self.config.bucket, WORDS);
                Err(Unserved::of(fault, &mut self.connection))
            }
        }
    }

    async fn put_pieces(
        &mut self,
        object: &Object<'_>,
        key: &str,
        (from, length): (&mut (dyn Read + Send), u64),
    ) -> Result<Put, Fault> {
        let id = object.begin().await?;
        let bucket = self.config.bucket.clone();
        let begun = self.begun.insert(BegunUpload { bucket, key: key.to_owned(), id: id.clone() });
        if let Some(file) = &self.notes
            && let Err(error) = begun.note(file)
        {
            tracing::warn!(file = %file.display(), %error, "an upload is not written down: after a crash its pieces stay in S3");
        }
        let put = object.pieces_of(from, length, &id).await;
        // What is left of it costs money; the next upload, or a rule of the bucket, removes it where this
        // fails too.
        if put.is_ok() || object.abort(&id).await.is_ok() {
            self.forget_begun();
        }
        put
    }
}

/// One object on its way.
struct Object<'a> {
    sender: &'a Sender,
    url: String,
    content_type: &'a str,
    config: &'a S3Config,
}

impl Object<'_> {
    async fn put(&self, from: &mut (dyn Read + Send), length: u64) -> Result<Put, Fault> {
        let body = piece(from, usize::try_from(length).unwrap_or(usize::MAX))?;
        let digest = STANDARD.encode(Sha256::digest(&body));
        let mut headers = vec![
            ("content-type", self.content_type),
            ("x-amz-sdk-checksum-algorithm", "SHA256"),
            ("x-amz-checksum-sha256", &digest),
        ];
        headers.extend(encryption_headers(self.encryption()));
        let answer = self.send("PUT", self.url.clone(), headers, body).await?;
        Ok(Put { digest, etag: answer.object.etag })
    }

    /// Begins an upload in pieces; its id as addresses have it.
    async fn begin(&self) -> Result<String, Fault> {
        let mut headers =
            vec![("content-type", self.content_type), ("x-amz-checksum-algorithm", "SHA256")];
        headers.extend(encryption_headers(self.encryption()));
        let url = format!("{}?uploads=", self.url);
        let answer = self.send("POST", url, headers, Bytes::new()).await?;
        let upload = answer.element("UploadId").filter(|id| !id.is_empty());
        let upload = upload.ok_or_else(|| Unserved::because("S3 named no upload"))?;
        Ok(encoded(&upload).replace('/', "%2F"))
    }

    /// Ends it without an object. One that is not there any more is ended.
    async fn abort(&self, upload: &str) -> Result<(), Fault> {
        let url = format!("{}?uploadId={upload}", self.url);
        match self.send("DELETE", url, Vec::new(), Bytes::new()).await {
            Ok(_) => Ok(()),
            Err(Fault::Service(error)) if error.code == "NoSuchUpload" => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    async fn pieces_of(
        &self,
        from: &mut (dyn Read + Send),
        length: u64,
        upload: &str,
    ) -> Result<Put, Fault> {
        let (mut left, mut digests) = (length, Vec::new());
        let mut list = "<CompleteMultipartUpload>".to_owned();
        for number in 1_u32.. {
            if left == 0 {
                break;
            }
            let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let body = piece(from, size)?;
            left -= size as u64;
            let digest = Sha256::digest(&body);
            digests.extend_from_slice(&digest);
            let digest = STANDARD.encode(digest);
            let headers = vec![
                ("x-amz-sdk-checksum-algorithm", "SHA256"),
                ("x-amz-checksum-sha256", digest.as_str()),
            ];
            let url = format!("{}?partNumber={number}&uploadId={upload}", self.url);
            let answer = self.send("PUT", url, headers, body).await?;
            let etag = answer.object.etag.unwrap_or_default();
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            let _ = write!(
                list,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>\
                 <ChecksumSHA256>{digest}</ChecksumSHA256></Part>"
            );
        }
        list.push_str("</CompleteMultipartUpload>");
        let url = format!("{}?uploadId={upload}", self.url);
        let headers = vec![("content-type", "application/xml")];
        let answer = self.send("POST", url, headers, list.into()).await?;
        // It may fail after it has begun to answer with 200.
        let Some(etag) = answer.element("ETag") else {
            return Err(Fault::Service(ServiceError { status: 500, ..answer.error() }));
        };
        let digest = STANDARD.encode(Sha256::digest(&digests));
        Ok(Put { digest, etag: Some(etag.replace("&quot;", "\"").replace("&#34;", "\"")) })
    }

    /// Asks for what was put.
    async fn look(&self, put: Put, length: u64) -> Result<(String, Option<String>), Fault> {
        let headers = vec![("x-amz-checksum-mode", "ENABLED")];
        let found = self.send("HEAD", self.url.clone(), headers, Bytes::new()).await?.object;
        let wrong =
            |what: &str| Unserved::because(format!("the bucket has {what}; it is put again"));
        if found.length != Some(length) {
            return Err(wrong("another length than what was sent").into());
        }
        let etag = found.etag.ok_or_else(|| wrong("an object without an ETag"))?;
        match &found.checksum {
            // Of pieces their number stands behind the digest.
            Some(checksum) if checksum.split('-').next() == Some(put.digest.as_str()) => {}
            Some(_) => return Err(wrong("another SHA-256 than what was sent").into()),
            None if put.etag.as_ref() == Some(&etag) => {}
            None => return Err(wrong("another ETag than what it answered").into()),
        }
        Ok((etag, found.checksum))
    }

    async fn send(
        &self,
        method: &'static str,
        url: String,
        headers: Vec<(&'static str, &str)>,
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let request = Request { method, url, headers, body };
        let answer = self.sender.send_within(request, PATIENCE).await;
        let answer = answer.map_err(|no_answer| Fault::Unserved(no_answer.into()))?;
        if answer.is_success() { Ok(answer) } else { Err(Fault::Service(answer.error())) }
    }

    fn encryption(&self) -> Option<&Encryption> {
        self.config.encryption.as_ref()
    }
}

fn piece(from: &mut (dyn Read + Send), size: usize) -> io::Result<Bytes> {
    let mut body = vec![0; size];
    from.read_exact(&mut body)?;
    Ok(body.into())
}
