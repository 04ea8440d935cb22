//! Wheels and an offline index for the tests: pip itself is the user's real one.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::pip::Pip;

/// A wheel to be written.
pub(crate) struct WheelBuilder {
    name: String,
    version: String,
    tags: String,
    metadata: String,
    files: Vec<(String, Vec<u8>)>,
    link: Option<(String, String)>,
}

impl WheelBuilder {
    pub(crate) fn new(name: &str, version: &str) -> WheelBuilder {
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        let tags = "py3-none-any".to_owned();
        let (name, version) = (name.replace('-', "_"), version.to_owned());
        WheelBuilder {
            name,
            version,
            tags,
            metadata,
            files: Vec::new(),
            link: None,
        }
    }

    pub(crate) fn tags(mut self, tags: &str) -> WheelBuilder {
        self.tags = tags.to_owned();
        self
    }

    /// Adds a line to the metadata, e.g. `Requires-Dist: six`.
    pub(crate) fn header(mut self, line: &str) -> WheelBuilder {
        self.metadata.push_str(line);
        self.metadata.push('\n');
        self
    }

    pub(crate) fn requires(self, requirement: &str) -> WheelBuilder {
        self.header(&format!("Requires-Dist: {requirement}"))
    }

    pub(crate) fn file(
        mut self,
        path: &str,
        contents: &(impl AsRef<[u8]> + ?Sized),
    ) -> WheelBuilder {
        self.files
            .push((path.to_owned(), contents.as_ref().to_vec()));
        self
    }

    pub(crate) fn symlink(mut self, path: &str, target: &str) -> WheelBuilder {
        self.link = Some((path.to_owned(), target.to_owned()));
        self
    }

    pub(crate) fn write(self, directory: &Path) -> PathBuf {
        let (name, version) = (&self.name, &self.version);
        let path = directory.join(format!("{name}-{version}-{}.whl", self.tags));
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let info = format!("{name}-{version}.dist-info");
        let own = [
            (format!("{info}/METADATA"), self.metadata.into_bytes()),
            (
                format!("{info}/WHEEL"),
                b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n".to_vec(),
            ),
        ];
        for (path, contents) in self.files.into_iter().chain(own) {
            archive
                .start_file(path, SimpleFileOptions::default())
                .unwrap();
            archive.write_all(&contents).unwrap();
        }
        if let Some((path, target)) = self.link {
            archive
                .add_symlink(path, target, SimpleFileOptions::default())
                .unwrap();
        }
        archive.finish().unwrap();
        path
    }
}

/// A ZIP archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, contents) in files {
        archive
            .start_file(*path, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(contents).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The user's pip, found once.
pub(crate) fn users_pip() -> Pip {
    static PIP: LazyLock<Pip> = LazyLock::new(|| Pip::find().unwrap());
    PIP.clone()
}

/// The user's pip, with the wheels in `directory` as its only index.
pub(crate) fn offline_pip(directory: &Path) -> Pip {
    users_pip()
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", directory)
}
