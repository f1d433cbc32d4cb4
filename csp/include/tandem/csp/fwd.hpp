// The names of csp, for headers that only mention them.
#pragma once

namespace tandem::csp {

template <class T>
class sender;
template <class T>
class receiver;
class group;
template <class T>
class pipeline;
template <class Job>
class worker_pool;

namespace detail {
class channel_base;
template <class T>
class channel;
class select_arm;
}  // namespace detail

}  // namespace tandem::csp
