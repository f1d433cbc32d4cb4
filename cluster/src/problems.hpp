// Turns what gRPC and TLS say about a failed connection into a line that tells a person what to do.
#pragma once
#include <string>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include <tandem/cluster/options.hpp>
#include <tandem/errors/error.hpp>

namespace tandem::cluster::internal {

struct dial_problem {
  error what;
  bool just_absent = false;  // nobody listens there: to be expected of a node that has left
};

/// Why an attempt to reach `to` failed. `reason` is ours, if we gave up; `status` is gRPC's.
[[nodiscard]] dial_problem explain_dial(const member& to, const node_options& own, error reason,
                                        const grpc::Status& status);

/// Why an open connection ended.
[[nodiscard]] error lost_connection(std::string_view peer, error reason, const grpc::Status& status);

/// Text from a stranger, fit for a log line: at most 200 bytes, what is not printable ASCII replaced by '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace tandem::cluster::internal
