#!/usr/bin/env bash
# What a container of this image runs, by the conventions of Spark on Kubernetes: `driver` and `executor` are Spark's own
# words there, anything else is a command, run as it is.
set -eo pipefail

# Hadoop asks for the user's name and Java has none for a user without an entry in /etc/passwd, which is what OpenShift's
# random users are, and those of `docker run --user`.
name_this_user() {
    getent passwd "$(id -u)" >/dev/null && return
    local library folder
    library="$(find /usr/lib /lib -name libnss_wrapper.so -print -quit 2>/dev/null)"
    [ -n "$library" ] || return 0
    folder="$(mktemp -d)"
    echo "spark:x:$(id -u):$(id -g)::$SPARK_HOME/work-dir:/usr/sbin/nologin" >"$folder/passwd"
    echo "spark:x:$(id -g):" >"$folder/group"
    export LD_PRELOAD="$library" NSS_WRAPPER_PASSWD="$folder/passwd" NSS_WRAPPER_GROUP="$folder/group"
}

# conf folders first, so that what is mounted there is found before what the jars hold
class_path() {
    local parts=() IFS=:
    [ -z "$HADOOP_CONF_DIR" ] || parts+=("$HADOOP_CONF_DIR")
    parts+=("${SPARK_CONF_DIR:-$SPARK_HOME/conf}" ${SPARK_CLASSPATH:+"$SPARK_CLASSPATH"} "$SPARK_HOME/jars/*")
    parts+=(${SPARK_EXTRA_CLASSPATH:+"$SPARK_EXTRA_CLASSPATH"} ${SPARK_DIST_CLASSPATH:+"$SPARK_DIST_CLASSPATH"})
    echo "${parts[*]}:$PWD"
}

# SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, ..: the options for the executor's JVM, one each
java_options() {
    local name
    while read -r name; do
        options+=("${!name}")
    done < <(compgen -v SPARK_JAVA_OPT_ | sort --version-sort)
}

name_this_user
case "$1" in
driver)
    shift
    exec tini -s -- "$SPARK_HOME/bin/spark-submit" \
        --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
        --deploy-mode client "$@"
    ;;
executor)
    options=()
    java_options
    exec tini -s -- "$JAVA_HOME/bin/java" "${options[@]}" \
        -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" -cp "$(class_path)" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" \
        --executor-id "$SPARK_EXECUTOR_ID" \
        --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" \
        --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
        --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
*)
    exec tini -s -- "$@"
    ;;
esac
