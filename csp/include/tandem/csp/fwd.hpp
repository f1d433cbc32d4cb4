// The names of csp, for headers that only mention them.
#pragma once

namespace tandem::csp {

class complete_pipeline;
class group;
class rate;
class token_bucket;
template <class Outcome>
class any_arm;
template <class F>
class async_function;
template <class T>
class broadcast_receiver;
template <class T>
class broadcast_sender;
template <class T>
class collect;
template <class T>
class lossy_sender;
template <class T>
class oneshot_sender;
template <class T>
class pipeline;
template <class T>
class receiver;
template <class T>
class sender;
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
