"""The course of the A1c and the second drugs of `examples/notebooks/1-diabetes.ipynb`, by Spark, from exported Parquet.

    node examples/diabetes/prepare.mjs .cache/diabetes
    spark-submit examples/spark/diabetes.py .cache/diabetes      # or python, with pyspark 4 and Java 17

FOLDER may be any address that Spark reads (s3a://…); on a cluster take an export with `--buckets`, whose folders
`bucket=0000…` Spark reads as partitions, each with all records of its patients. Prints JSON.
"""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

GROUPS = {
    "6809": "metformin",
    "4821": "sulfonylurea",
    "1545653": "SGLT2 inhibitor",
    "1488564": "SGLT2 inhibitor",
    "1991302": "GLP-1 agonist",
    "1551291": "GLP-1 agonist",
    "274783": "insulin",
}


def main(folder: str) -> None:
    spark = SparkSession.builder.appName("diabetes").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    def table(name: str):
        return spark.read.parquet(f"{folder}/lake/{name}*.parquet")

    cohort = (
        table("Condition")
        .where("code_code = '44054006' and verification_status_code = 'confirmed'")
        .groupBy(f.col("patient_id").alias("patient"))
        .agg(f.min("onset_date_time").alias("diagnosed"))
    )
    results = (
        table("Observation")
        .where(f.col("code_code").isin("4548-4", "59261-8"))
        .select(
            f.col("patient_id").alias("patient"),
            f.col("event_time").alias("taken"),
            f.when(
                f.col("value_quantity_code") == "mmol/mol", 0.09148 * f.col("value_quantity_value") + 2.152
            )
            .otherwise(f.col("value_quantity_value"))
            .alias("a1c"),
        )
    )
    a1c = results.where("a1c between 3 and 20").cache()
    course = (
        a1c.join(cohort, "patient")
        .withColumn("year", f.floor(f.datediff("taken", "diagnosed") / 365.25))
        .where("year between 0 and 5")
        .groupBy("year")
        .agg(f.count("*").alias("results"), f.round(f.median("a1c"), 2).alias("median"))
        .orderBy("year")
    )
    groups = spark.createDataFrame(list(GROUPS.items()), "code string, group string")
    prescribed = table("MedicationRequest").select(
        f.col("patient_id").alias("patient"),
        f.col("medication_codeable_concept_code").alias("code"),
        f.col("event_time").alias("began"),
        f.lit(False).alias("note"),
    )
    told = spark.read.parquet(f"{folder}/drugs-in-notes.parquet").select(
        f.col("patient_id").alias("patient"),
        f.col("code_rxnorm").alias("code"),
        f.col("event_time").alias("began"),
        f.lit(True).alias("note"),
    )
    starts = (
        prescribed.union(told)
        .join(groups, "code")
        .groupBy("patient", "group")
        .agg(f.min("began").alias("started"), f.min("note").alias("note_only"))
    )
    second = (
        starts.where("group <> 'metformin'")
        .groupBy("patient")
        .agg(f.min_by("group", "started").alias("group"), f.min("started").alias("started"))
    )
    pairs = second.join(a1c, "patient").withColumn(
        "days", (f.unix_timestamp("taken") - f.unix_timestamp("started")) / 86400
    )
    # A row whose order is null is never the greatest or the least, unless all are.
    earlier = f.when(f.col("days").between(-200, 1), f.col("days"))
    later = f.when(f.col("days").between(120, 420), f.abs(f.col("days") - 270))
    compared = (
        pairs.groupBy("patient", "group")
        .agg(
            f.max_by("a1c", earlier).alias("before"),
            f.min_by("a1c", later).alias("after"),
            (f.count(earlier) > 0).alias("known"),
            (f.count(later) > 0).alias("seen"),
        )
        .where("known and seen")
        .groupBy("group")
        .agg(
            f.count("*").alias("people"),
            f.round(f.avg("before"), 2).alias("before"),
            f.round(f.avg(f.col("after") - f.col("before")), 2).alias("change"),
        )
        .orderBy("change")
    )
    print(
        json.dumps(
            {
                "people": cohort.count(),
                "impossible": results.where("not a1c between 3 and 20").count(),
                "inNotesAlone": starts.where("note_only").count(),
                "course": [row.asDict() for row in course.collect()],
                "second": [row.asDict() for row in compared.collect()],
            }
        )
    )
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".cache/diabetes")
