// SPDX-License-Identifier: PostgreSQL

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;

/** A program that knows nothing of keyturn; libpq's variables say where to. */
public class Report {
	public static void main(String[] args) throws Exception {
		String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":"
			+ System.getenv("PGPORT") + "/"
			+ System.getenv("PGDATABASE") + "?sslmode="
			+ System.getenv("PGSSLMODE") + "&sslrootcert="
			+ System.getenv("PGSSLROOTCERT");
		try (Connection c = DriverManager.getConnection(url + "&user="
					+ System.getenv("PGUSER"));
				ResultSet found = c.createStatement()
					.executeQuery("select current_user")) {
			found.next();
			System.out.println(found.getString(1));
		}
	}
}
