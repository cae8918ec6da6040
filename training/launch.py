"""Starts the processes that `accelerate launch --cpu --num_processes N` leaves to MPI.

Why not accelerate's launcher alone: on a CPU (1.15.0) it starts one process and expects `mpirun` to
have started the others; without MPI that one trains on 1/N of the batch, silently. Here it finds
out how many were asked for and lets PyTorch's elastic launcher start them all.
"""

import os
import sys

import psutil
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

# Set by torchrun, Intel MPI, MVAPICH and Open MPI in every process they start.
WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE")


def processes_asked_for(launcher: list[str]) -> int:
    """`num_processes` of a command line of `accelerate launch`, or of the config file it reads.

    1 if the command line is another program's, or counts on MPI to start the processes.
    """
    names = [os.path.basename(part).removesuffix(".exe") for part in launcher]
    if "accelerate-launch" in names:
        options = launcher[names.index("accelerate-launch") + 1 :]
    elif "accelerate.commands.launch" in launcher:
        options = launcher[launcher.index("accelerate.commands.launch") + 1 :]
    elif "accelerate" in names and "launch" in launcher:
        options = launcher[launcher.index("launch") + 1 :]
    else:
        return 1
    asked, _ = launch_command_parser().parse_known_args(options)
    if asked.mpirun_hostfile is not None or (asked.num_machines or 1) > 1:
        return 1
    if asked.num_processes is None and (asked.config_file or os.path.isfile(default_config_file)):
        return load_config_from_file(asked.config_file).num_processes
    return asked.num_processes or 1


def missing_processes() -> int:
    """Worker processes to spawn, if accelerate left this one alone on a CPU; else 0."""
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"
    if not on_cpu or "MASTER_ADDR" not in os.environ or os.environ.keys() & set(WORLD_SIZES):
        return 0
    count = processes_asked_for(psutil.Process().parent().cmdline())
    return count if count > 1 else 0


def run_processes(count: int, module: str, arguments: list[str]) -> int:
    """Runs `python -m module *arguments` as `count` processes that know each other.

    Returns 0, or the exit code of the first that failed; stopped by a signal, all of them get it.
    """
    config = LaunchConfig(1, 1, count, rdzv_backend="c10d", rdzv_endpoint="localhost:0")
    try:
        elastic_launch(config, sys.executable)("-m", module, *arguments)
    except ChildFailedError as error:
        return error.get_first_failure()[1].exitcode
    except SignalException as stopped:
        return 128 + stopped.sigval
    return 0
