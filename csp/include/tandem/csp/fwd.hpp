// The names of csp, for headers that only mention them.
#pragma once

namespace tandem::csp {

template <class Outcome>
class any_arm;
template <class T>
class sender;
template <class T>
class receiver;
template <class T>
class broadcast_receiver;
template <class T>
class broadcast_sender;
class group;
template <class T>
class lossy_sender;
template <class T>
class oneshot_sender;
template <class T>
class pipeline;
template <class T>
class unbounded_sender;
template <class T>
class watch_receiver;
template <class T>
class watch_sender;
template <class Job>
class worker_pool;

namespace detail {
class channel_base;
template <class T>
class channel;
class select_arm;
}  // namespace detail

}  // namespace tandem::csp
