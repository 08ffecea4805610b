//! Reads who imports whom out of source text, the way the compiler would, as far as the rules need it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree};

/// A file under `src/`.
pub(crate) struct Source {
    /// Its path below `src/`, with `/` between folders.
    pub(crate) file: String,
    text: String,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Source {
        Source { file: file.to_owned(), text: text.to_owned() }
    }

    /// Whether this belongs to a program and not to the library.
    pub(crate) fn is_program(&self) -> bool {
        self.file.starts_with("bin/")
    }

    /// The top-level file or folder it belongs to.
    pub(crate) fn room(&self) -> &str {
        let room = self.file.split('/').next().unwrap_or_default();
        room.strip_suffix(".rs").unwrap_or(room)
    }

    /// Every identifier and keyword in the code; comments and strings are no words.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        gather_words(self.text.parse().unwrap_or_else(|error| panic!("src/{}: {error}", self.file)), &mut words);
        words
    }

    /// The module this file is: its crate's root, then the names that lead to it.
    fn module(&self) -> ModulePath {
        let mut parts: Vec<&str> = self.file.split('/').collect();
        let root = if self.is_program() { parts.drain(..2).collect::<Vec<_>>().join("/") } else { "lib".to_owned() };
        let last = parts.pop().unwrap_or("main.rs").trim_end_matches(".rs");
        let stem = (!["lib", "main", "mod"].contains(&last)).then_some(last);
        std::iter::once(root.as_str()).chain(parts).chain(stem).map(str::to_owned).collect()
    }
}

/// One file naming something that another file owns.
pub(crate) struct Import {
    pub(crate) from_file: String,
    pub(crate) from_room: String,
    /// The file that owns what is named, seen through re-exports.
    pub(crate) to_file: String,
    /// The room that the path itself leads into; `lib` where it ends at the crate's root.
    pub(crate) to_room: String,
    /// The path from the crate's root.
    pub(crate) path: String,
    /// Whether a folder's own file names something inside the folder.
    pub(crate) names_own_part: bool,
}

/// What the sources import, and what in them cannot be followed.
pub(crate) struct Reading {
    pub(crate) imports: Vec<Import>,
    pub(crate) refusals: Vec<String>,
}

/// A crate's root and the module names below it.
type ModulePath = Vec<String>;

/// Reads all sources of a package's `src/`.
pub(crate) fn read(sources: &[Source]) -> Reading {
    let parse = |source: &Source| syn::parse_file(&source.text).unwrap_or_else(|e| panic!("src/{}: {e}", source.file));
    let files: Vec<_> = sources.iter().map(|source| (source, parse(source))).collect();
    let mut modules = Modules::default();
    for (source, file) in &files {
        modules.declare(source.module(), &source.file, &file.items);
    }
    let mut reader = Reader::new(&modules);
    for (source, file) in &files {
        let module = source.module();
        if !modules.for_tests.iter().any(|test| module.starts_with(test)) {
            reader.file = &source.file;
            reader.of_file = module.clone();
            reader.module = module;
            reader.visit_file(file);
        }
    }
    Reading { imports: reader.found.into_values().collect(), refusals: reader.refusals }
}

/// Every module, and the names that `use` items bind in it.
#[derive(Default)]
struct Modules {
    known: BTreeMap<ModulePath, Module>,
    /// Modules in files of their own that are declared under `#[cfg(test)]`.
    for_tests: Vec<ModulePath>,
}

#[derive(Default)]
struct Module {
    file: String,
    bound: BTreeMap<String, Vec<String>>,
}

impl Modules {
    fn declare(&mut self, path: ModulePath, file: &str, items: &[Item]) {
        let mut bound = BTreeMap::new();
        for item in items {
            let test = is_for_tests(attributes(item));
            match item {
                Item::Use(item) if !test => {
                    let used = flatten(&item.tree);
                    bound.extend(used.into_iter().filter_map(|used| Some((used.name?, used.path))));
                }
                Item::Mod(item) => {
                    let inner = [path.as_slice(), &[item.ident.to_string()]].concat();
                    match &item.content {
                        Some((_, items)) if !test => self.declare(inner, file, items),
                        None if test => self.for_tests.push(inner),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        self.known.insert(path, Module { file: file.to_owned(), bound });
    }

    /// The path from the crate's root of `segments` as written in `module`; nothing when they lead out of the crate.
    fn absolute(&self, module: &[String], segments: &[String], depth: usize) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => Some([&module[..1], rest].concat()),
            "self" => Some([module, rest].concat()),
            "super" if module.len() > 1 => {
                // A further `super` in `rest` goes on from the parent; anything else is looked up below it.
                let parent = &module[..module.len() - 1];
                match rest.first() {
                    Some(next) if next == "super" => self.absolute(parent, rest, depth),
                    _ => Some([parent, rest].concat()),
                }
            }
            name => {
                let child = [module, &[name.to_owned()]].concat();
                if self.known.contains_key(&child) {
                    return Some([child.as_slice(), rest].concat());
                }
                let target = self.known.get(module)?.bound.get(name)?;
                // A name bound to itself (`use bincode;`) or in a ring is not ours to follow.
                let target = if depth < 8 { self.absolute(module, target, depth + 1)? } else { return None };
                Some([target.as_slice(), rest].concat())
            }
        }
    }

    /// The module that owns what `path` names, seen through re-exports everywhere but in `lib.rs`.
    fn owner(&self, path: &[String], depth: usize) -> ModulePath {
        let mut here = path[..1].to_vec();
        for (at, name) in path.iter().enumerate().skip(1) {
            let child = [here.as_slice(), std::slice::from_ref(name)].concat();
            if self.known.contains_key(&child) {
                here = child;
                continue;
            }
            let target = self
                .known
                .get(&here)
                .filter(|module| module.file != "lib.rs" && depth < 8)
                .and_then(|m| m.bound.get(name));
            let target = target.and_then(|target| self.absolute(&here, target, depth));
            return match target {
                Some(target) => self.owner(&[target.as_slice(), &path[at + 1..]].concat(), depth + 1),
                None => here,
            };
        }
        here
    }
}

/// One name that a `use` item brings in; a glob brings in none.
struct Used {
    path: Vec<String>,
    name: Option<String>,
}

fn flatten(tree: &UseTree) -> Vec<Used> {
    fn walk(tree: &UseTree, before: &[String], out: &mut Vec<Used>) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => walk(&path.tree, &with(&path.ident), out),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, before, out)),
            UseTree::Glob(_) => out.push(Used { path: before.to_vec(), name: None }),
            UseTree::Name(name) if name.ident == "self" => {
                out.push(Used { path: before.to_vec(), name: before.last().cloned() });
            }
            UseTree::Name(name) => out.push(Used { path: with(&name.ident), name: Some(name.ident.to_string()) }),
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                out.push(Used { path, name: Some(rename.rename.to_string()) });
            }
        }
    }
    let mut out = Vec::new();
    walk(tree, &[], &mut out);
    out
}

/// Walks one file after the other and keeps every import once.
struct Reader<'a> {
    modules: &'a Modules,
    file: &'a str,
    /// The module the file is, and the one inside it that is being read.
    of_file: ModulePath,
    module: ModulePath,
    found: BTreeMap<(String, String), Import>,
    refusals: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(modules: &'a Modules) -> Reader<'a> {
        let (of_file, module) = (Vec::new(), Vec::new());
        Reader { modules, file: "", of_file, module, found: BTreeMap::new(), refusals: Vec::new() }
    }

    fn record(&mut self, segments: &[String]) {
        let Some(path) = self.modules.absolute(&self.module, segments, 0) else { return };
        let owner = self.modules.owner(&path, 0);
        let Some(target) = self.modules.known.get(&owner) else { return };
        let room = |path: &[String]| {
            // A module written out inside `lib.rs` is part of `lib.rs`.
            let top = self.modules.known.get(path.get(..2).unwrap_or_default()).filter(|top| top.file != "lib.rs");
            if top.is_some() && path[0] == "lib" { path[1].clone() } else { path[0].clone() }
        };
        let import = Import {
            from_file: self.file.to_owned(),
            from_room: room(&self.module),
            to_file: target.file.clone(),
            to_room: room(&path),
            path: format!("crate::{}", path[1..].join("::")),
            names_own_part: owner.len() > self.of_file.len() && owner.starts_with(&self.of_file),
        };
        if import.from_file != import.to_file {
            self.found.entry((import.from_file.clone(), import.path.clone())).or_insert(import);
        }
    }

    /// Paths inside a macro call, where the parser sees only tokens.
    fn record_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish_path(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.finish_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.record_tokens(group.stream());
                    }
                }
            }
        }
        self.finish_path(&mut path);
    }

    fn finish_path(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.record(path);
        }
        path.clear();
    }

    fn refuse(&mut self, what: &str) {
        self.refusals.push(format!("src/{} uses {what}: a file belongs to one module, named after it", self.file));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.refuse("#[path]");
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for used in flatten(&item.tree) {
            self.record(&used.path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A single name is a local thing, or something a `use` item has brought in and answered for.
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.record(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("include") {
            self.refuse("include!");
        }
        self.visit_path(&call.path);
        self.record_tokens(call.tokens.clone());
    }

    // Who may see an item is not what it imports.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn gather_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                words.insert(ident.to_string());
            }
            TokenTree::Group(group) => gather_words(group.stream(), words),
            _ => {}
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item exists only when tests are built.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.any(|attribute| attribute.parse_args::<Meta>().is_ok_and(|condition| implies_test(&condition)))
}

fn implies_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
            (list.path.is_ident("all") && parts.iter().any(implies_test))
                || (list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(implies_test))
        }
        _ => false,
    }
}
