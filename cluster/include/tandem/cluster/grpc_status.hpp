// Errors as statuses of gRPC calls, for services of your own. Include <grpcpp/support/status.h> to call these.
//
//   return to_grpc_status(e);                                            // strangers see the code and the public text
//   return to_grpc_status(e, {.audience = wire_audience::node});         // for callers known to be nodes
//   if (error e = from_grpc_status(stub->Get(&context, request, &reply))) …
#pragma once
#include <cstddef>
#include <source_location>

#include <tandem/errors/error.hpp>
#include <tandem/errors/wire.hpp>

namespace grpc {
class Status;
}

namespace tandem::cluster {

/// The most that the details of a status take: they travel as metadata, for which gRPC has 8 KiB of room as a rule.
inline constexpr std::size_t max_status_details_bytes = std::size_t{4} << 10;

/// The status with grpc_status_of() the code, and the error as the audience may see it as the details. The message is
/// message() for nodes, cut to 512 bytes, and public_message() for strangers. No error gives OK.
[[nodiscard]] grpc::Status to_grpc_status(const error& e,
                                          const wire_options& options = {.max_bytes = max_status_details_bytes});

/// The error that a status stands for: what to_grpc_status() was given, if the details are its own, otherwise one with
/// the code and message of the status, made at `where`. OK gives no error.
[[nodiscard]] error from_grpc_status(const grpc::Status& status,
                                     std::source_location where = std::source_location::current());

}  // namespace tandem::cluster
