//! Files and directories in the making.
//!
//! A part lies beside its target, under a hidden name. It takes the target's name only when it is
//! whole and on the disk. A process holds the lock of each of its parts, so a part without a lock
//! is what a killed process has left.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a part's name has between the target's name and random letters.
const MARK: &str = ".rr-part-";
/// Bytes of the target's name in a part's name, at most: a file name has 255.
const NAME: usize = 200;
/// Random letters in a part's name.
const RANDOM: usize = 6;

/// A file or a directory in the making. It is removed when it is dropped.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    target: PathBuf,
    lock: File,
    kind: Kind,
    /// It has the target's name, or is the caller's to remove.
    done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

/// A part that no process works on.
#[derive(Debug)]
pub struct Leftover {
    /// Its path.
    pub path: PathBuf,
    /// The target of the killed process; `None` if its name does not stand whole in the part's.
    pub target: Option<PathBuf>,
    /// True for a directory.
    pub is_dir: bool,
    /// The part's lock. It keeps others away from the part until it is closed.
    pub lock: File,
}

impl Part {
    /// Creates an empty directory that shall become `target`, and locks it.
    ///
    /// # Errors
    /// The host's error.
    pub fn directory(target: &Path) -> io::Result<Self> {
        Self::create(target, Kind::Directory, |builder, folder| {
            // As for any new directory: the umask clears bits of this.
            builder.permissions(Permissions::from_mode(0o777));
            Ok(builder.tempdir_in(folder)?.keep())
        })
    }

    /// Creates an empty file that shall become `target`, and locks it.
    ///
    /// # Errors
    /// The host's error.
    pub fn file(target: &Path) -> io::Result<Self> {
        Self::create(target, Kind::File, |builder, folder| {
            builder.permissions(Permissions::from_mode(0o666));
            Ok(builder.tempfile_in(folder)?.into_temp_path().keep()?)
        })
    }

    fn create(
        target: &Path,
        kind: Kind,
        make: impl Fn(&mut tempfile::Builder<'_, '_>, &Path) -> io::Result<PathBuf>,
    ) -> io::Result<Self> {
        let name = target.file_name().ok_or(ErrorKind::InvalidInput)?;
        let name = &name.as_bytes()[..name.len().min(NAME)];
        let prefix = OsString::from_vec([b".", name, MARK.as_bytes()].concat());
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(&prefix).rand_bytes(RANDOM);
            let path = make(&mut builder, folder_of(target))?;
            let lock = match kind {
                Kind::Directory => File::open(&path)?,
                Kind::File => OpenOptions::new().read(true).write(true).open(&path)?,
            };
            // A process that looks for leftovers may have taken it for one, before it was locked.
            if try_lock(&lock)? && is_at(&lock, &path) {
                return Ok(Self {
                    path,
                    target: target.to_owned(),
                    lock,
                    kind,
                    done: false,
                });
            }
        }
    }

    /// Its hidden path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is being written.
    pub fn as_file(&self) -> &File {
        &self.lock
    }

    /// Makes the part durable, and gives it the target's name. Returns its lock.
    ///
    /// # Errors
    /// The host's error; [`ErrorKind::AlreadyExists`] if the target exists.
    pub fn publish(mut self, durable: bool) -> io::Result<File> {
        self.sync(durable)?;
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            // The file system does not know the flag.
            Err(Errno::INVAL) if !self.target.exists() => fs::rename(&self.path, &self.target)?,
            renamed => renamed?,
        }
        self.finish(durable)
    }

    /// Makes a file durable, and puts it in place of the target, if that exists.
    ///
    /// # Errors
    /// The host's error.
    pub fn replace(mut self, durable: bool) -> io::Result<File> {
        self.sync(durable)?;
        fs::rename(&self.path, &self.target)?;
        self.finish(durable)
    }

    /// Makes the part durable, and exchanges it with the target: at each moment, one of both has
    /// the target's name. Returns the path at which the old one lies now, and the new one's lock.
    ///
    /// # Errors
    /// The host's error.
    pub fn exchange(mut self, durable: bool) -> io::Result<(PathBuf, File)> {
        self.sync(durable)?;
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL) => self.exchange_in_steps()?,
            exchanged => exchanged?,
        }
        let old = self.path.clone();
        Ok((old, self.finish(durable)?))
    }

    /// The exchange on a file system that does not know it. A kill in between leaves the old one
    /// under a name that nobody takes for a leftover.
    fn exchange_in_steps(&self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default();
        let mut aside = name.to_owned();
        aside.push(".old");
        let aside = self.path.with_file_name(aside);
        fs::rename(&self.target, &aside)?;
        if let Err(error) = fs::rename(&self.path, &self.target) {
            // The first error is the one that counts.
            let _ = fs::rename(&aside, &self.target);
            return Err(error);
        }
        fs::rename(&aside, &self.path)
    }

    fn sync(&self, durable: bool) -> io::Result<()> {
        match (durable, self.kind) {
            (false, _) => Ok(()),
            (true, Kind::File) => self.lock.sync_all(),
            (true, Kind::Directory) => sync_tree(&self.path),
        }
    }

    fn finish(&mut self, durable: bool) -> io::Result<File> {
        self.done = true;
        if durable {
            sync_folder(folder_of(&self.target))?;
        }
        self.lock.try_clone()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // If this fails, the next process finds a leftover.
        let _ = match (self.done, self.kind) {
            (true, _) => Ok(()),
            (false, Kind::File) => fs::remove_file(&self.path),
            (false, Kind::Directory) => fs::remove_dir_all(&self.path),
        };
    }
}

/// Writes a small file atomically: a reader finds the old file or the new one, never half of it.
/// `part` is its path meanwhile, in the same folder. `durable`: the new one outlives a crash.
///
/// # Errors
/// The host's error.
pub fn write(path: &Path, part: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A new file: a link of that name could lead anywhere.
    let mut file = File::create_new(part)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(part, path)?;
    match durable {
        true => sync_folder(folder_of(path)),
        false => Ok(()),
    }
}

/// The parts of killed processes in a folder. None if the folder cannot be read.
pub fn leftovers(folder: &Path) -> Vec<Leftover> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.file_name();
        let target = target_of(&name)?;
        let found = entry.metadata().ok()?;
        if !found.is_dir() && !found.is_file() {
            return None;
        }
        let path = entry.path();
        let lock = File::open(&path).ok()?;
        let free = try_lock(&lock).ok()? && is_at(&lock, &path);
        free.then(|| Leftover {
            path,
            target: (target.len() < NAME).then(|| folder.join(target)),
            is_dir: found.is_dir(),
            lock,
        })
    });
    found.collect()
}

/// The target's name in a part's name; `None` if it is no part's name.
fn target_of(name: &OsStr) -> Option<&OsStr> {
    let bytes = name.as_bytes().strip_prefix(b".")?;
    let end = bytes.len().checked_sub(MARK.len() + RANDOM)?;
    let random = bytes.get(end + MARK.len()..)?;
    let is_part = bytes.get(end..)?.starts_with(MARK.as_bytes())
        && random.iter().all(u8::is_ascii_alphanumeric)
        && end > 0;
    is_part.then(|| OsStr::from_bytes(&bytes[..end]))
}

/// Locks a file or directory for this process alone. False: another process has locked it. On a
/// file system without locks, the result is true.
///
/// # Errors
/// The host's error.
pub fn try_lock(file: &File) -> io::Result<bool> {
    held(file.try_lock())
}

/// As [`try_lock`], together with other processes that lock it likewise.
///
/// # Errors
/// The host's error.
pub fn try_lock_shared(file: &File) -> io::Result<bool> {
    held(file.try_lock_shared())
}

fn held(locked: Result<(), TryLockError>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // As NFS does for a directory.
        Err(TryLockError::Error(error)) => match Errno::from_io_error(&error) {
            Some(Errno::BADF | Errno::NOLCK | Errno::NOSYS | Errno::NOTSUP | Errno::INVAL) => {
                Ok(true)
            }
            _ => Err(error),
        },
    }
}

/// True if this open file is the one that has the path now.
pub fn is_at(file: &File, path: &Path) -> bool {
    let of = |found: fs::Metadata| (found.dev(), found.ino());
    let here = fs::symlink_metadata(path).map(of).ok();
    here.is_some() && here == file.metadata().map(of).ok()
}

/// Makes a directory and all that is in it durable. Links are not followed.
///
/// # Errors
/// The host's error.
pub fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(directory)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The host's error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems have nothing to make durable there.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// The folder in which a path lies.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |name: &str| target_of(OsStr::new(name)).map(OsStr::to_owned);
        assert_eq!(of(".a.rr.rr-part-Ab3dEf"), Some("a.rr".into()));
        assert_eq!(
            of(".x.rr-part-y.rr-part-Ab3dEf"),
            Some("x.rr-part-y".into())
        );
        let others = [
            "a.rr.rr-part-Ab3dEf",
            ".a.rr-part-Ab3dE",
            ".a.rr-part-Ab3d.f",
            ".rr-part-Ab3dEf",
        ];
        assert_eq!(others.map(of), [const { None }; 4]);
    }

    #[test]
    fn a_part_in_work_is_no_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x".repeat(255));
        let part = Part::directory(&target).unwrap();
        fs::write(part.path().join("f"), "new").unwrap();
        assert!(leftovers(folder.path()).is_empty());
        let lock = part.publish(true).unwrap();
        assert!(!try_lock(&File::open(&target).unwrap()).unwrap());
        drop(lock);
        let part = Part::directory(&target).unwrap();
        let taken = part.publish(true).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        // The part that could not be published is removed.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_leaves_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("t");
        for part in [
            Part::directory(&target).unwrap(),
            Part::file(&target).unwrap(),
        ] {
            let Part { lock, .. } = &part;
            lock.unlock().unwrap();
            let found = leftovers(folder.path());
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].target.as_deref(), Some(&*target));
            assert_eq!(
                (found[0].path.as_path(), found[0].is_dir),
                (part.path(), part.kind == Kind::Directory)
            );
        }
        assert!(leftovers(folder.path()).is_empty());
    }

    #[test]
    fn a_small_file_is_written_over_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let [path, part, mine] = ["f", "f.part", "mine"].map(|name| folder.path().join(name));
        fs::write(&mine, "precious").unwrap();
        for link in [&part, &path] {
            std::os::unix::fs::symlink(&mine, link).unwrap();
            write(&path, &part, b"new", true).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::read(&mine).unwrap(), b"precious");
            fs::remove_file(&path).unwrap();
        }
        // What a killed process has left is in nobody's way.
        fs::write(&part, "half of something longer").unwrap();
        write(&path, &part, b"new", false).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(!part.exists());
    }

    #[test]
    fn an_exchange_keeps_both() {
        let exchanges: [fn(Part) -> io::Result<PathBuf>; 2] = [
            |part| Ok(part.exchange(true)?.0),
            |mut part| {
                part.exchange_in_steps()?;
                part.done = true;
                Ok(part.path.clone())
            },
        ];
        for exchange in exchanges {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("t");
            fs::create_dir(&target).unwrap();
            fs::write(target.join("old"), "").unwrap();
            let part = Part::directory(&target).unwrap();
            fs::write(part.path().join("new"), "").unwrap();
            let old = exchange(part).unwrap();
            assert!(target.join("new").exists() && old.join("old").exists());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}
