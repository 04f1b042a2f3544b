// Everything: the umbrella header.
#pragma once

#include <weft/blocking.h>
#include <weft/channel.h>
#include <weft/condition_variable.h>
#include <weft/fork_scope.h>
#include <weft/endpoints.h>
#include <weft/go.h>
#include <weft/join.h>
#include <weft/join_handle.h>
#include <weft/metrics.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/options.h>
#include <weft/parallel.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/shared_mutex.h>
#include <weft/shielded.h>
#include <weft/stop_token.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/this_task.h>
#include <weft/ticker.h>
#include <weft/time.h>
#include <weft/wait_group.h>
