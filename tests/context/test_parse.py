"""What is found in sources of every language, and how texts are cut into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.languages import CPP, LANGUAGES, MARKDOWN, PYTHON, TYPESCRIPT, C, Language, language_of
from context.parse import CHUNK_BYTES, LINE_BYTES, PARSED_BYTES, SIGNATURE_LINES, Chunk, Parsed, parse

SAMPLES: dict[str, tuple[str, list[str], dict[str, int]]] = {
    "a.py": (
        '''\
"""Doc."""
from os import path as where, sep

LIMIT = 10
names: list[str] = []


@attrs.frozen
class Store(Base, other.Mixin):
    size: int = 3

    @property
    def first(
        self, key: Key,
    ) -> Row:
        return self.find(key, LIMIT)


async def load(name):
    def inner():
        return Store(name)

    return inner()
''',
        [
            "constant LIMIT 3-4: LIMIT = 10",
            "variable names 4-5: names: list[str] = []",
            "class Store 7-16: @attrs.frozen\nclass Store(Base, other.Mixin):",
            "variable Store.size 9-10: size: int = 3",
            "method Store.first 11-16: @property\ndef first(\n    self, key: Key,\n) -> Row:",
            "function load 18-23: async def load(name):",
            "function load.inner 19-21: def inner():",
        ],
        {
            "Base": 1,
            "Key": 1,
            "Mixin": 1,
            "Row": 1,
            "Store": 1,
            "find": 1,
            "frozen": 1,
            "inner": 1,
            "int": 1,
            "property": 1,
            "sep": 1,
            "str": 1,
        },
    ),
    "a.c": (
        """\
#include <stdio.h>
#include "list.h"
#define LIMIT 10
#define MAX(a, b) ((a) > (b) ? (a) : (b))
struct node;
typedef unsigned long size_type;
typedef struct node { struct node *next; int value; } node_t;
enum color { RED, GREEN = 3 };
union both { int i; float f; };
static int count = 0;
extern int other;
int parse(const char *text);
static struct node **find(struct node *head,
                          int value)
{
    node_t *found = lookup(head->ops->get(value), LIMIT);
    return MAX(found, RED);
}
int main(void) { return find(0, 1) != 0; }
typedef int (*callback)(int);
""",
        [
            "macro LIMIT 2-3: #define LIMIT 10",
            "macro MAX 3-4: #define MAX(a, b) ((a) > (b) ? (a) : (b))",
            "type size_type 5-6: typedef unsigned long size_type;",
            "type node 6-7: struct node",
            "type node_t 6-7: typedef struct node { struct node *next; int value; } node_t;",
            "type color 7-8: enum color",
            "constant color.RED 7-8: RED",
            "constant color.GREEN 7-8: GREEN = 3",
            "type both 8-9: union both",
            "variable count 9-10: static int count = 0;",
            "function find 12-18: static struct node **find(struct node *head,\n                          int value)",
            "function main 18-19: int main(void)",
            "type callback 19-20: typedef int (*callback)(int);",
        ],
        {"MAX": 1, "find": 1, "get": 1, "lookup": 1, "node": 4, "node_t": 1},
    ),
    "a.cpp": (
        """\
#pragma once
namespace shapes {
template <typename T>
class Circle : public Shape {
public:
    explicit Circle(double r);
    ~Circle() override;
    double area() const override { return pi * square(radius_); }
    static int count;
private:
    double radius_;
};
struct Point { int x; };
enum class Kind { Round, Flat };
using Points = std::vector<Point>;
constexpr int limit = 3;
}
template <typename T>
shapes::Circle<T>::Circle(double r) : radius_(r) { init(r); }
double shapes::Circle::radius() const { auto p = std::make_unique<Point>(); p->move(); return area(); }
bool operator==(const Point &a, const Point &b) { return a.x == b.x; }
concept Sized = requires(T t) { t.size(); };
""",
        [
            "module shapes 1-17: namespace shapes",
            "class shapes.Circle 2-12: template <typename T>\nclass Circle : public Shape",
            "method shapes.Circle.area 7-8: double area() const override",
            "type shapes.Point 12-13: struct Point",
            "type shapes.Kind 13-14: enum class Kind",
            "constant shapes.Kind.Round 13-14: Round",
            "constant shapes.Kind.Flat 13-14: Flat",
            "type shapes.Points 14-15: using Points = std::vector<Point>;",
            "variable shapes.limit 15-16: constexpr int limit = 3;",
            "method shapes.Circle.Circle 17-19: template <typename T>\nshapes::Circle<T>::Circle(double r) : radius_(r)",
            "method shapes.Circle.radius 19-20: double shapes::Circle::radius() const",
            "function operator== 20-21: bool operator==(const Point &a, const Point &b)",
            "type Sized 21-22: concept Sized = requires(T t) { t.size(); };",
        ],
        {
            "Point": 4,
            "Shape": 1,
            "T": 4,
            "area": 1,
            "init": 1,
            "make_unique": 1,
            "move": 1,
            "size": 1,
            "square": 1,
            "std": 2,
            "vector": 1,
        },
    ),
    "a.js": (
        """\
import { read, write as put } from "./files.js";
const LIMIT = 10;
export const load = async (name) => { return read(name, LIMIT); };
export default function main() { new Store().open(); }
class Store extends Base {
  #count = 0;
  static make() { return new Store(); }
  open = () => { this.flush(); };
  get size() { return 1; }
}
function* walk(tree) { yield tree; }
module.exports.helper = function () { return 1; };
const table = { open() { return put(1); }, close: function () {} };
const App = () => <Panel title="x"><div/></Panel>;
let { a, b } = table;
""",
        [
            "constant LIMIT 1-2: const LIMIT = 10;",
            "function load 2-3: export const load = async (name) => { return read(name, LIMIT); };",
            "function main 3-4: export default function main()",
            "class Store 4-10: class Store extends Base",
            "method Store.make 6-7: static make()",
            "method Store.open 7-8: open = () => { this.flush(); }",
            "method Store.size 8-9: get size()",
            "function walk 10-11: function* walk(tree)",
            "function helper 11-12: module.exports.helper = function () { return 1; }",
            "variable table 12-13: const table = { open() { return put(1); }, close: function () {} };",
            "method open 12-13: open()",
            "method close 12-13: close: function () {}",
            'function App 13-14: const App = () => <Panel title="x"><div/></Panel>;',
        ],
        {"Base": 1, "Panel": 1, "Store": 2, "div": 1, "flush": 1, "open": 1, "put": 1, "read": 2, "write": 1},
    ),
    "a.ts": (
        """\
import type { Key } from "./key";
export interface Row<T> extends Base { id: number; get(key: Key): T; }
export type Rows = Row<string>[];
export enum Kind { Round, Flat }
export abstract class Store implements Row<string> {
  private count = 0;
  constructor(readonly key: Key) { super(); }
  abstract flush(): void;
  get(key: Key): string { return format(key); }
}
declare function format(key: Key): string;
namespace Shapes { export const limit = 3; }
export const useRow = (key: Key): Row<string> => { return new Table<string>(key).open(); };
""",
        [
            "class Row 1-2: export interface Row<T> extends Base",
            "method Row.get 1-2: get(key: Key): T",
            "type Rows 2-3: export type Rows = Row<string>[];",
            "type Kind 3-4: export enum Kind",
            "class Store 4-10: export abstract class Store implements Row<string>",
            "method Store.constructor 6-7: constructor(readonly key: Key)",
            "method Store.flush 7-8: abstract flush(): void",
            "method Store.get 8-9: get(key: Key): string",
            "function format 10-11: function format(key: Key): string;",
            "module Shapes 11-12: namespace Shapes",
            "variable Shapes.limit 11-12: export const limit = 3;",
            "function useRow 12-13: export const useRow = (key: Key): Row<string> => { return new Table<string>(key).open(); };",
        ],
        {"Base": 1, "Key": 6, "Row": 3, "T": 2, "Table": 1, "format": 1, "open": 1},
    ),
    "a.tsx": (
        """\
import type { Key } from "./key";
export interface Row<T> extends Base { id: number; get(key: Key): T; }
export type Rows = Row<string>[];
export enum Kind { Round, Flat }
export abstract class Store implements Row<string> {
  private count = 0;
  constructor(readonly key: Key) { super(); }
  abstract flush(): void;
  get(key: Key): string { return format(key); }
}
declare function format(key: Key): string;
namespace Shapes { export const limit = 3; }
export const useRow = (key: Key): Row<string> => { return new Table<string>(key).open(); };
export default function App(): JSX.Element { return <Panel rows={useRow(1)} />; }
""",
        [
            "class Row 1-2: export interface Row<T> extends Base",
            "method Row.get 1-2: get(key: Key): T",
            "type Rows 2-3: export type Rows = Row<string>[];",
            "type Kind 3-4: export enum Kind",
            "class Store 4-10: export abstract class Store implements Row<string>",
            "method Store.constructor 6-7: constructor(readonly key: Key)",
            "method Store.flush 7-8: abstract flush(): void",
            "method Store.get 8-9: get(key: Key): string",
            "function format 10-11: function format(key: Key): string;",
            "module Shapes 11-12: namespace Shapes",
            "variable Shapes.limit 11-12: export const limit = 3;",
            "function useRow 12-13: export const useRow = (key: Key): Row<string> => { return new Table<string>(key).open(); };",
            "function App 13-14: export default function App(): JSX.Element",
        ],
        {
            "Base": 1,
            "Element": 1,
            "Key": 6,
            "Panel": 1,
            "Row": 3,
            "T": 2,
            "Table": 1,
            "format": 1,
            "open": 1,
            "useRow": 1,
        },
    ),
    "a.rs": (
        """\
use std::collections::HashMap;
mod inner;
pub const LIMIT: usize = 10;
static NAME: &str = "x";
#[derive(Debug)]
pub struct Store<T> { rows: HashMap<Key, T> }
pub enum Kind { Round(Point), Flat }
pub trait Find { type Out; fn find(&self, key: Key) -> Option<Row>; }
impl<T> Find for Store<T> {
    type Out = Row;
    fn find(&self, key: Key) -> Option<Row>
    where T: Clone,
    {
        self.rows.get(&key).map(parse_row); helper!(key); Self::make(LIMIT)
    }
}
type Rows = Vec<Row>;
macro_rules! helper { ($e:expr) => { $e } }
mod tests { fn works() { assert_eq!(super::find(1), Store { rows: 1 }); } }
union Both { a: u32 }
""",
        [
            "constant LIMIT 2-3: pub const LIMIT: usize = 10;",
            'constant NAME 3-4: static NAME: &str = "x";',
            "class Store 5-6: pub struct Store<T>",
            "type Kind 6-7: pub enum Kind",
            "constant Kind.Round 6-7: Round(Point)",
            "constant Kind.Flat 6-7: Flat",
            "class Find 7-8: pub trait Find",
            "type Find.Out 7-8: type Out;",
            "method Find.find 7-8: fn find(&self, key: Key) -> Option<Row>;",
            "type Store.Out 9-10: type Out = Row;",
            "method Store.find 10-15: fn find(&self, key: Key) -> Option<Row>\nwhere T: Clone,",
            "type Rows 16-17: type Rows = Vec<Row>;",
            "macro helper 17-18: macro_rules! helper { ($e:expr) => { $e } }",
            "module tests 18-19: mod tests",
            "function tests.works 18-19: fn works()",
            "class Both 19-20: union Both",
        ],
        {
            "Clone": 1,
            "Find": 1,
            "HashMap": 1,
            "Key": 3,
            "Option": 2,
            "Point": 1,
            "Row": 4,
            "Self": 1,
            "T": 5,
            "Vec": 1,
            "assert_eq": 1,
            "get": 1,
            "helper": 1,
            "make": 1,
            "map": 1,
            "std": 1,
        },
    ),
    "a.go": (
        """\
package store

import "fmt"

const Limit = 10

var names, keys []string

type Store struct {
	rows map[Key]Row
}

type Finder interface {
	Find(key Key) (Row, error)
}

type Alias = Store

const (
	Red Color = iota
	Green
)

func (s *Store) Find(key Key) (Row, error) {
	return s.rows[key], fmt.Errorf("no %v", Limit)
}

func New[T any](n int) *Store { return &Store{rows: make(map[Key]Row)} }
""",
        [
            "constant Limit 4-5: Limit = 10",
            "variable names 6-7: names, keys []string",
            "variable keys 6-7: names, keys []string",
            "type Store 8-11: type Store struct",
            "type Finder 12-15: type Finder interface",
            "method Finder.Find 13-14: Find(key Key) (Row, error)",
            "type Alias 16-17: type Alias = Store",
            "constant Red 19-20: Red Color = iota",
            "constant Green 20-21: Green",
            "method Store.Find 23-26: func (s *Store) Find(key Key) (Row, error)",
            "function New 27-28: func New[T any](n int) *Store",
        ],
        {
            "Color": 1,
            "Errorf": 1,
            "Key": 4,
            "Row": 4,
            "Store": 3,
            "any": 1,
            "error": 2,
            "int": 1,
            "make": 1,
            "string": 1,
        },
    ),
    "a.java": (
        """\
package store;
import java.util.Map;
@Service
public class Store<T> extends Base implements Finder<T> {
    public static final int LIMIT = 10;
    private final Map<Key, Row> rows;
    public Store(Map<Key, Row> rows) { super(rows); this.rows = rows; }
    @Override
    public Row find(Key key) throws Missing {
        return new Row(rows.get(key), Helper.format(key));
    }
    enum Kind { ROUND, FLAT; }
    record Point(int x, int y) {}
}
interface Finder<T> { T find(Key key); int MAX = 3; }
@interface Service { String value(); }
""",
        [
            "class Store 2-14: @Service\npublic class Store<T> extends Base implements Finder<T>",
            "constant Store.LIMIT 4-5: public static final int LIMIT = 10;",
            "variable Store.rows 5-6: private final Map<Key, Row> rows;",
            "method Store.Store 6-7: public Store(Map<Key, Row> rows)",
            "method Store.find 7-11: @Override\npublic Row find(Key key) throws Missing",
            "class Store.Kind 11-12: enum Kind",
            "constant Store.Kind.ROUND 11-12: ROUND",
            "constant Store.Kind.FLAT 11-12: FLAT",
            "class Store.Point 12-13: record Point(int x, int y)",
            "class Finder 14-15: interface Finder<T>",
            "method Finder.find 14-15: T find(Key key);",
            "constant Finder.MAX 14-15: int MAX = 3;",
            "class Service 15-16: @interface Service",
            "method Service.value 15-16: String value();",
        ],
        {
            "Base": 1,
            "Finder": 1,
            "Helper": 1,
            "Key": 4,
            "Map": 2,
            "Missing": 1,
            "Override": 1,
            "Row": 4,
            "Service": 1,
            "String": 1,
            "T": 4,
            "format": 1,
            "get": 1,
            "rows": 1,
        },
    ),
    "a.rb": (
        """\
require "set"
module Shapes
  LIMIT = 10
  class Store < Base
    include Finder
    attr_reader :rows
    def initialize(rows)
      @rows = rows
    end
    def find(key)
      rows.fetch(key) { Row.new(key, LIMIT) }
    end
    def self.make = new([])
    alias_method :get, :find
  end
end
class Shapes::Other; end
""",
        [
            "module Shapes 1-16: module Shapes",
            "constant Shapes.LIMIT 2-3: LIMIT = 10",
            "class Shapes.Store 3-15: class Store < Base",
            "method Shapes.Store.initialize 6-9: def initialize(rows)",
            "method Shapes.Store.find 9-12: def find(key)",
            "method Shapes.Store.make 12-13: def self.make",
            "class Other 16-17: class Shapes::Other; end",
        ],
        {
            "Base": 1,
            "Finder": 1,
            "LIMIT": 1,
            "Row": 1,
            "Shapes": 1,
            "alias_method": 1,
            "attr_reader": 1,
            "fetch": 1,
            "include": 1,
            "new": 2,
            "require": 1,
        },
    ),
    "a.cs": (
        """\
using System;
namespace Shapes.Core;
public class Store<T> : Base, IFinder<T> where T : class
{
    public const int Limit = 10;
    private readonly Map<Key, Row> rows;
    public Store(Map<Key, Row> rows) : base(rows) { this.rows = rows; }
    public int Size { get; set; }
    [Pure]
    public Row Find(Key key)
    {
        return new Row(rows.Get(key), Helper.Format(key), Compute<int>(key));
    }
    public event Handler Changed;
}
public interface IFinder<T> { T Find(Key key); }
public enum Kind { Round, Flat }
public struct Point { public int X; }
public record Pair(int X, int Y);
public delegate void Handler(object sender);
""",
        [
            "class Store 2-15: public class Store<T> : Base, IFinder<T> where T : class",
            "variable Store.Limit 4-5: public const int Limit = 10;",
            "variable Store.rows 5-6: private readonly Map<Key, Row> rows;",
            "method Store.Store 6-7: public Store(Map<Key, Row> rows) : base(rows)",
            "variable Store.Size 7-8: public int Size { get; set; }",
            "method Store.Find 8-13: [Pure]\npublic Row Find(Key key)",
            "variable Store.Changed 13-14: public event Handler Changed;",
            "class IFinder 15-16: public interface IFinder<T>",
            "method IFinder.Find 15-16: T Find(Key key);",
            "type Kind 16-17: public enum Kind",
            "constant Kind.Round 16-17: Round",
            "constant Kind.Flat 16-17: Flat",
            "class Point 17-18: public struct Point",
            "variable Point.X 17-18: public int X;",
            "class Pair 18-19: public record Pair(int X, int Y);",
            "type Handler 19-20: public delegate void Handler(object sender);",
        ],
        {
            "Base": 1,
            "Compute": 1,
            "Format": 1,
            "Get": 1,
            "Handler": 1,
            "Helper": 1,
            "IFinder": 1,
            "Key": 4,
            "Map": 2,
            "Pure": 1,
            "Row": 4,
            "T": 2,
            "rows": 1,
        },
    ),
    "a.php": (
        """\
<?php
namespace App\\Store;
use App\\Key;
const LIMIT = 10;
define('OTHER', 3);
interface Finder { public function find(Key $key): Row; }
trait Counts { private int $count = 0; }
enum Kind: string { case Round = 'r'; case Flat = 'f'; }
abstract class Store extends Base implements Finder
{
    use Counts;
    const MAX = 3;
    public function __construct(private Rows $rows) { parent::__construct(); }
    public function find(Key $key): Row
    {
        return new Row($this->rows->get($key), Helper::format($key), compute(LIMIT));
    }
}
function load(string $name): Store { return make($name); }
""",
        [
            "module App\\Store 1-2: namespace App\\Store;",
            "constant LIMIT 3-4: const LIMIT = 10;",
            "class Finder 5-6: interface Finder",
            "method Finder.find 5-6: public function find(Key $key): Row;",
            "class Counts 6-7: trait Counts",
            "class Kind 7-8: enum Kind: string",
            "constant Kind.Round 7-8: case Round = 'r';",
            "constant Kind.Flat 7-8: case Flat = 'f';",
            "class Store 8-18: abstract class Store extends Base implements Finder",
            "constant Store.MAX 11-12: const MAX = 3;",
            "method Store.__construct 12-13: public function __construct(private Rows $rows)",
            "method Store.find 13-17: public function find(Key $key): Row",
            "function load 18-19: function load(string $name): Store",
        ],
        {
            "Base": 1,
            "Counts": 1,
            "Finder": 1,
            "Helper": 1,
            "Key": 2,
            "Row": 3,
            "Rows": 1,
            "Store": 1,
            "__construct": 1,
            "compute": 1,
            "define": 1,
            "format": 1,
            "get": 1,
            "make": 1,
        },
    ),
    "a.sh": (
        """\
#!/bin/bash
LIMIT=10
readonly OTHER=3
export NAME=x
load() {
  local x=1
  read_rows "$1" | sort_rows
}
function main {
  load "$LIMIT"
}
main "$@"
""",
        [
            "constant LIMIT 1-2: LIMIT=10",
            "constant OTHER 2-3: readonly OTHER=3",
            "constant NAME 3-4: export NAME=x",
            "function load 4-8: load()",
            "function main 8-11: function main",
        ],
        {"load": 1, "main": 1, "read_rows": 1, "sort_rows": 1},
    ),
    "a.lua": (
        """\
local json = require("json")
local M = {}
LIMIT = 10
function M.load(name) return json.decode(read(name)) end
function M:open(key) self:flush(key) end
local function helper(x) return M.load(x) end
M.close = function(self) helper(self) end
local inner = function() end
function global() end
local t = { go = function() end }
return M
""",
        [
            'variable json 0-1: local json = require("json")',
            "variable M 1-2: local M = {}",
            "constant LIMIT 2-3: LIMIT = 10",
            "function load 3-4: function M.load(name)",
            "method open 4-5: function M:open(key)",
            "function helper 5-6: local function helper(x)",
            "function close 6-7: M.close = function(self) helper(self) end",
            "function inner 7-8: inner = function() end",
            "function global 8-9: function global() end",
            "variable t 9-10: local t = { go = function() end }",
            "function go 9-10: go = function() end",
        ],
        {"decode": 1, "flush": 1, "helper": 1, "load": 1, "read": 1, "require": 1},
    ),
    "a.kt": (
        """\
package store
import kotlin.math.max
const val LIMIT = 10
typealias Rows = List<Row>
@Service
class Store<T>(private val rows: Rows) : Base(rows), Finder<T> {
    val size: Int
        get() = rows.size
    override fun find(key: Key): Row {
        return Row(rows.get(key), format(key))
    }
    companion object {
        fun make(): Store<Int> = Store(listOf())
    }
}
interface Finder<T> {
    fun find(key: Key): T
}
enum class Kind { ROUND, FLAT }
object Registry {
    val names = mutableListOf<String>()
}
fun String.load(n: Int): Store<Row>? = null
""",
        [
            "constant LIMIT 2-3: const val LIMIT = 10",
            "type Rows 3-4: typealias Rows = List<Row>",
            "class Store 4-15: @Service\nclass Store<T>(private val rows: Rows) : Base(rows), Finder<T>",
            "variable Store.size 6-8: val size: Int",
            "method Store.find 8-11: override fun find(key: Key): Row",
            "method Store.make 12-13: fun make(): Store<Int>",
            "class Finder 15-18: interface Finder<T>",
            "method Finder.find 16-17: fun find(key: Key): T",
            "class Kind 18-19: enum class Kind",
            "constant Kind.ROUND 18-19: ROUND",
            "constant Kind.FLAT 18-19: FLAT",
            "class Registry 19-22: object Registry",
            "variable Registry.names 20-21: val names = mutableListOf<String>()",
            "function load 22-23: fun String.load(n: Int): Store<Row>?",
        ],
        {
            "Base": 1,
            "Finder": 1,
            "Int": 3,
            "Key": 2,
            "List": 1,
            "Row": 4,
            "Rows": 1,
            "Service": 1,
            "Store": 3,
            "String": 2,
            "T": 2,
            "format": 1,
            "get": 1,
            "listOf": 1,
            "mutableListOf": 1,
        },
    ),
    "a.scala": (
        """\
package store
import scala.math.max
class Store[T](rows: Rows) extends Base(rows) with Finder[T] {
  val size: Int = rows.size
  def find(key: Key): Row = {
    new Row(rows.get(key), format(key))
  }
}
object Store { val Limit = 10; def make(): Store[Int] = new Store(Nil) }
trait Finder[T] { def find(key: Key): T; type Out }
case class Point(x: Int)
type Rows = List[Row]
enum Kind { case Round, Flat }
given ord: Ordering[Point] = ???
""",
        [
            "class Store 2-8: class Store[T](rows: Rows) extends Base(rows) with Finder[T]",
            "variable Store.size 3-4: val size: Int = rows.size",
            "method Store.find 4-7: def find(key: Key): Row",
            "class Store 8-9: object Store",
            "variable Store.Limit 8-9: val Limit = 10",
            "method Store.make 8-9: def make(): Store[Int]",
            "class Finder 9-10: trait Finder[T]",
            "method Finder.find 9-10: def find(key: Key): T",
            "type Finder.Out 9-10: type Out",
            "class Point 10-11: case class Point(x: Int)",
            "type Rows 11-12: type Rows = List[Row]",
            "class Kind 12-13: enum Kind",
            "constant Kind.Round 12-13: Round",
            "constant Kind.Flat 12-13: Flat",
            "variable ord 13-14: given ord: Ordering[Point] = ???",
        ],
        {
            "Base": 1,
            "Finder": 1,
            "Int": 3,
            "Key": 2,
            "List": 1,
            "Ordering": 1,
            "Point": 1,
            "Row": 3,
            "Rows": 1,
            "Store": 2,
            "T": 2,
            "format": 1,
            "get": 1,
        },
    ),
    "a.md": (
        """\
Title
=====

# One `code` two

text

## Two

```sh
# not a heading
```
""",
        [
            "heading Title 0-3: Title",
            "heading One `code` two 3-12: # One `code` two",
            "heading One `code` two.Two 7-12: ## Two",
        ],
        {},
    ),
}

BY_NAME = {language.name: language for language in LANGUAGES}


def lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def described(parsed: Parsed) -> list[str]:
    return [
        f"{one.kind} {f'{one.scope}.' if one.scope else ''}{one.name} {one.first}-{one.last}: {one.signature}"
        for one in parsed.definitions
    ]


def assert_covers(parsed: Parsed, text: str) -> None:
    borders = [chunk.first for chunk in parsed.chunks] + [len(lines_of(text))]
    assert borders[0] == 0
    assert [chunk.last for chunk in parsed.chunks] == borders[1:]
    assert all(chunk.first < chunk.last for chunk in parsed.chunks)


def size(text: str, chunk: Chunk) -> int:
    lines = lines_of(text)[chunk.first : chunk.last]
    return sum(len(line.translate({9: None, 12: None, 32: None}).encode()) for line in lines)


@pytest.mark.parametrize("path", SAMPLES)
def test_definitions_and_references_of_every_language(path: str):
    text, definitions, references = SAMPLES[path]
    parsed = parse(text, language_of(path, text))
    assert described(parsed) == definitions
    assert dict(sorted(parsed.references.items())) == references
    assert_covers(parsed, text)


def test_a_sample_for_every_language():
    languages = {language_of(path, sample[0]) for path, sample in SAMPLES.items()}
    assert languages == set(LANGUAGES)


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.py", "", "python"),
        ("src/A.PYI", "", "python"),
        ("Rakefile", "", "ruby"),
        ("a.h", "struct a { int b; };", "c"),
        ("a.h", "class a {\npublic:\n};", "cpp"),
        ("a.h", "namespace x {}", "cpp"),
        ("run", "#!/usr/bin/env -S python3.11 -u\n", "python"),
        ("run", "#! /bin/sh\n", "bash"),
        ("run", "#!/usr/bin/env node\n", "javascript"),
        ("run", "#!/usr/bin/awk -f\n", None),
        ("run", "echo", None),
        ("a.txt", "", None),
        ("a.min.js", "", "javascript"),
    ],
)
def test_language_of_a_file(path: str, text: str, name: str | None):
    language = language_of(path, text)
    assert (language and language.name) == name


def test_a_syntax_error_costs_only_what_is_beside_it():
    text = "def first(a):\n    return b\n\ndef (:\n\nclass Last:\n    def method(self):\n        call()\n"
    parsed = parse(text, PYTHON)
    assert {"first", "Last", "method"} <= {one.name for one in parsed.definitions}
    assert parsed.references["call"] == 1
    assert_covers(parsed, text)


@pytest.mark.parametrize("language", [C, PYTHON, TYPESCRIPT, CPP])
def test_a_deep_text_is_cut_into_lines(language: Language | None):
    text = "x = " + "(\n" * 20_000 + "1" + ")\n" * 20_000
    assert_covers(parse(text, language), text)


def test_a_text_too_large_for_its_grammar_is_cut_into_lines():
    text = "def function():\n    return 1\n" * (PARSED_BYTES // 28)
    parsed = parse(text, PYTHON)
    assert parsed.definitions == ()
    assert_covers(parsed, text)
    assert len(parsed.chunks) > 1000


def test_a_minified_text_has_no_names():
    text = "function a(){}" * LINE_BYTES
    parsed = parse(text, BY_NAME["javascript"])
    assert parsed.definitions == ()
    assert parsed.chunks == (Chunk(0, 1),)


def test_no_lines_have_no_chunks():
    assert parse("", PYTHON) == Parsed()
    assert parse("", None) == Parsed()


def test_chunks_of_a_source_end_at_functions_and_carry_their_names():
    text = "".join(
        f"# about {number}\ndef function_{number}(argument):\n"
        + "    call(argument)  # and more\n" * 12
        + "\n"
        for number in range(20)
    )
    parsed = parse(text, PYTHON)
    assert_covers(parsed, text)
    assert len(parsed.chunks) >= 10
    lines = text.split("\n")
    for chunk in parsed.chunks:
        assert lines[chunk.first].startswith("# about")
        assert size(text, chunk) <= CHUNK_BYTES
        found = [one.name for one in parsed.definitions if chunk.first <= one.first < chunk.last]
        assert list(chunk.symbols) == found != []


def test_a_long_function_is_cut_within():
    text = "def function():\n" + "".join(f"    call_{number}(with_an_argument)\n" for number in range(400))
    parsed = parse(text, PYTHON)
    assert_covers(parsed, text)
    assert all(size(text, chunk) <= CHUNK_BYTES for chunk in parsed.chunks)


def test_a_long_literal_is_cut_between_lines():
    text = 'text = """\n' + "words and more words\n" * 500 + '"""\n'
    parsed = parse(text, PYTHON)
    assert_covers(parsed, text)
    assert all(size(text, chunk) <= 2 * CHUNK_BYTES for chunk in parsed.chunks)


def test_a_long_signature_is_shortened():
    text = "def function(\n" + "".join(f"    argument_{n},\n" for n in range(100)) + "):\n    pass\n"
    (definition,) = parse(text, PYTHON).definitions
    assert definition.signature.count("\n") == SIGNATURE_LINES - 1
    assert (definition.first, definition.last) == (0, 103)


def test_headings_in_fences_and_rules_are_none():
    text = "# One\n\n```sh\n# no\n```\n\n- item\n---\n\nText\n---\n### Deep ###\n#no\n\n---\n"
    assert described(parse(text, MARKDOWN)) == [
        "heading One 0-15: # One",
        "heading One.Text 9-15: Text",
        "heading One.Text.Deep 11-15: ### Deep ###",
    ]


ALPHABET = st.sampled_from(
    ["def f(", "):\n", "\n", "class A", "{", "}", "(", ")", ";", '"', "'", '"""', "`", "#", "# x\n", "/*", "*/", "//",
     "  ", "\t", "x", "fn ", "func ", "impl ", "<", ">", "=", "\r", "\x0c", "\u2028", "ü", "🙂", "\0", "\ud800", "<?php ",
     "end\n", "@", "if ", "return ", "long_name " * 80, "\n\n", "---\n", "\\\n"]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(),
    st.lists(ALPHABET, max_size=60).map("".join),
    st.binary(max_size=400).map(lambda data: data.decode("utf-8", "replace")),
)


@given(text=TEXTS, language=st.sampled_from([None, *LANGUAGES]))
def test_any_text_is_parsed_and_covered(text: str, language: Language | None):
    parsed = parse(text, language)
    count = len(lines_of(text))
    if count == 0:
        assert parsed.chunks == ()
        return
    assert_covers(parsed, text)
    for one in parsed.definitions:
        assert 0 <= one.first < one.last <= count
        one.signature.encode()
    assert all(uses > 0 for uses in parsed.references.values())
    symbols = [name for chunk in parsed.chunks for name in chunk.symbols]
    assert sorted(symbols) == sorted(one.name for one in parsed.definitions)
