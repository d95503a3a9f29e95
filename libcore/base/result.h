// Result<T>: a value or an Error. Returned by every function that a user, a disk or another machine
// can make fail. Broken invariants of our own are BALLAST_CHECK failures and abort. Exceptions are
// DeviceError and std::bad_alloc only, caught once in run_tool().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "libcore/base/check.h"

namespace ballast {

// What kind of failure; maps one to one to the exit codes of ballast(7).
enum class ErrorKind {
  usage,         // command line or configuration: exit 2, nothing was touched
  io,            // the system refused to read or write: exit 3
  corrupt,       // input is damaged or hostile: exit 3
  device,        // accelerator, driver or collective: exit 4
  guard,         // the guard ended training: exit 5
  hardware,      // a rerun gave other bits: exit 6
  insufficient,  // not enough data for a verdict: exit 7
};

// One line for a person: `what: where (why)`. `where` is a path, path:line or flag; both others may
// be empty. Messages are lower case, without full stop, and name the accepted range.
struct Error {
  ErrorKind kind = ErrorKind::io;
  std::string what;
  std::string where;
  std::string why;

  std::string message() const {
    std::string text = what;
    if (!where.empty()) text += ": " + where;
    if (!why.empty()) text += " (" + why + ")";
    return text;
  }
};

inline Error usage_error(std::string what, std::string where = {}, std::string why = {}) {
  return {ErrorKind::usage, std::move(what), std::move(where), std::move(why)};
}
inline Error io_error(std::string what, std::string where = {}, std::string why = {}) {
  return {ErrorKind::io, std::move(what), std::move(where), std::move(why)};
}
inline Error corrupt_error(std::string what, std::string where = {}, std::string why = {}) {
  return {ErrorKind::corrupt, std::move(what), std::move(where), std::move(why)};
}
inline Error insufficient_error(std::string what, std::string where = {}, std::string why = {}) {
  return {ErrorKind::insufficient, std::move(what), std::move(where), std::move(why)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : error_(std::move(error)) {}             // NOLINT: implicit on purpose
  template <class U>
  requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error> && std::is_convertible_v<U&&, T>)
      Result(U&& value)
      : value_(std::in_place, std::forward<U>(value)) {}  // NOLINT: unique_ptr<Derived> to <Base>

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& value() & {
    BALLAST_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    BALLAST_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    BALLAST_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const {
    BALLAST_CHECK(!ok());
    return error_;
  }
  Error take_error() { return std::move(error_); }
  T take_value() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Error error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    BALLAST_CHECK(!ok());
    return *error_;
  }
  Error take_error() { return std::move(*error_); }
  void take_value() {}

 private:
  std::optional<Error> error_;
};

}  // namespace ballast

// Unwraps a Result or returns its Error from the enclosing function:
//   File file = BALLAST_TRY(open(path));
#define BALLAST_TRY(expression)                                     \
  ({                                                                \
    auto ballast_result_ = (expression);                            \
    if (!ballast_result_.ok()) return ballast_result_.take_error(); \
    ballast_result_.take_value();                                   \
  })
