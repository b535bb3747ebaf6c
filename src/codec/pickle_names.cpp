#include "sconce/codec/pickle_names.h"

namespace sconce::pickle {
namespace {

// The renames between Python 2 and 3 that CPython's _compat_pickle module applies. `both_ways` rows are also
// what a protocol 2 pickler writes.
struct NameRow {
  QualifiedName python2;
  QualifiedName python3;
  bool both_ways;
};
struct ModuleRow {
  std::string_view python2;
  std::string_view python3;
  bool both_ways;
};

constexpr NameRow kNames[] = {
    {{"UserDict", "IterableUserDict"}, {"collections", "UserDict"}, true},
    {{"UserDict", "UserDict"}, {"collections", "UserDict"}, false},
    {{"UserList", "UserList"}, {"collections", "UserList"}, true},
    {{"UserString", "UserString"}, {"collections", "UserString"}, true},
    {{"__builtin__", "basestring"}, {"builtins", "str"}, false},
    {{"__builtin__", "intern"}, {"sys", "intern"}, true},
    {{"__builtin__", "long"}, {"builtins", "int"}, true},
    {{"__builtin__", "reduce"}, {"functools", "reduce"}, true},
    {{"__builtin__", "unichr"}, {"builtins", "chr"}, true},
    {{"__builtin__", "unicode"}, {"builtins", "str"}, true},
    {{"__builtin__", "xrange"}, {"builtins", "range"}, true},
    {{"_multiprocessing", "Connection"}, {"multiprocessing.connection", "Connection"}, true},
    {{"_socket", "fromfd"}, {"socket", "fromfd"}, true},
    {{"itertools", "ifilter"}, {"builtins", "filter"}, true},
    {{"itertools", "ifilterfalse"}, {"itertools", "filterfalse"}, true},
    {{"itertools", "imap"}, {"builtins", "map"}, true},
    {{"itertools", "izip"}, {"builtins", "zip"}, true},
    {{"itertools", "izip_longest"}, {"itertools", "zip_longest"}, true},
    {{"multiprocessing", "AuthenticationError"}, {"multiprocessing.context", "AuthenticationError"}, true},
    {{"multiprocessing", "BufferTooShort"}, {"multiprocessing.context", "BufferTooShort"}, true},
    {{"multiprocessing", "ProcessError"}, {"multiprocessing.context", "ProcessError"}, true},
    {{"multiprocessing", "TimeoutError"}, {"multiprocessing.context", "TimeoutError"}, true},
    {{"multiprocessing.forking", "Popen"}, {"multiprocessing.popen_fork", "Popen"}, true},
    {{"multiprocessing.process", "Process"}, {"multiprocessing.context", "Process"}, true},
    {{"socket", "_socketobject"}, {"socket", "SocketType"}, false},
    {{"urllib", "ContentTooShortError"}, {"urllib.error", "ContentTooShortError"}, true},
    {{"urllib", "getproxies"}, {"urllib.request", "getproxies"}, true},
    {{"urllib", "pathname2url"}, {"urllib.request", "pathname2url"}, true},
    {{"urllib", "quote"}, {"urllib.parse", "quote"}, true},
    {{"urllib", "quote_plus"}, {"urllib.parse", "quote_plus"}, true},
    {{"urllib", "unquote"}, {"urllib.parse", "unquote"}, true},
    {{"urllib", "unquote_plus"}, {"urllib.parse", "unquote_plus"}, true},
    {{"urllib", "url2pathname"}, {"urllib.request", "url2pathname"}, true},
    {{"urllib", "urlcleanup"}, {"urllib.request", "urlcleanup"}, true},
    {{"urllib", "urlencode"}, {"urllib.parse", "urlencode"}, true},
    {{"urllib", "urlopen"}, {"urllib.request", "urlopen"}, true},
    {{"urllib", "urlretrieve"}, {"urllib.request", "urlretrieve"}, true},
    {{"urllib2", "HTTPError"}, {"urllib.error", "HTTPError"}, true},
    {{"urllib2", "URLError"}, {"urllib.error", "URLError"}, true},
    {{"whichdb", "whichdb"}, {"dbm", "whichdb"}, true},
    {{"exceptions", "StandardError"}, {"builtins", "Exception"}, false},
};

constexpr ModuleRow kModules[] = {
    {"BaseHTTPServer", "http.server", true},
    {"CGIHTTPServer", "http.server", false},
    {"ConfigParser", "configparser", true},
    {"Cookie", "http.cookies", true},
    {"Dialog", "tkinter.dialog", true},
    {"DocXMLRPCServer", "xmlrpc.server", false},
    {"FileDialog", "tkinter.filedialog", false},
    {"HTMLParser", "html.parser", true},
    {"Queue", "queue", true},
    {"ScrolledText", "tkinter.scrolledtext", true},
    {"SimpleDialog", "tkinter.simpledialog", false},
    {"SimpleHTTPServer", "http.server", false},
    {"SimpleXMLRPCServer", "xmlrpc.server", true},
    {"SocketServer", "socketserver", true},
    {"StringIO", "io", false},
    {"Tix", "tkinter.tix", true},
    {"Tkconstants", "tkinter.constants", true},
    {"Tkdnd", "tkinter.dnd", true},
    {"Tkinter", "tkinter", true},
    {"UserDict", "collections", false},
    {"UserList", "collections", false},
    {"UserString", "collections", false},
    {"__builtin__", "builtins", true},
    {"_abcoll", "collections.abc", true},
    {"_elementtree", "xml.etree.ElementTree", false},
    {"_winreg", "winreg", true},
    {"anydbm", "dbm", true},
    {"cPickle", "pickle", false},
    {"cStringIO", "io", false},
    {"commands", "subprocess", true},
    {"cookielib", "http.cookiejar", true},
    {"copy_reg", "copyreg", true},
    {"dbhash", "dbm.bsd", true},
    {"dbm", "dbm.ndbm", true},
    {"dumbdbm", "dbm.dumb", true},
    {"dummy_thread", "_dummy_thread", true},
    {"gdbm", "dbm.gnu", true},
    {"htmlentitydefs", "html.entities", true},
    {"httplib", "http.client", true},
    {"markupbase", "_markupbase", true},
    {"repr", "reprlib", true},
    {"robotparser", "urllib.robotparser", true},
    {"test.test_support", "test.support", true},
    {"thread", "_thread", true},
    {"tkColorChooser", "tkinter.colorchooser", true},
    {"tkCommonDialog", "tkinter.commondialog", true},
    {"tkFileDialog", "tkinter.filedialog", true},
    {"tkFont", "tkinter.font", true},
    {"tkMessageBox", "tkinter.messagebox", true},
    {"tkSimpleDialog", "tkinter.simpledialog", true},
    {"ttk", "tkinter.ttk", true},
    {"urllib2", "urllib.request", true},
    {"urlparse", "urllib.parse", true},
    {"whichdb", "dbm", false},
    {"xmlrpclib", "xmlrpc.client", true},
    {"exceptions", "builtins", false},
    {"torch.tensor", "torch._tensor", false},  // files of torch 1.7 and before
};

bool same(QualifiedName a, QualifiedName b) { return a.module == b.module && a.name == b.name; }

}  // namespace

QualifiedName modern_name(QualifiedName written) {
  for (const NameRow& row : kNames) {
    if (same(row.python2, written)) return row.python3;
  }
  for (const ModuleRow& row : kModules) {
    if (row.python2 == written.module) return {row.python3, written.name};
  }
  return written;
}

QualifiedName protocol2_name(QualifiedName modern) {
  for (const NameRow& row : kNames) {
    if (row.both_ways && same(row.python3, modern)) return row.python2;
  }
  for (const ModuleRow& row : kModules) {
    if (row.both_ways && row.python3 == modern.module) return {row.python2, modern.name};
  }
  return modern;
}

}  // namespace sconce::pickle
