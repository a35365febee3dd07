// SPDX-License-Identifier: PostgreSQL

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;

/** A program that is given the name of a service and nothing else. */
public class Service {
	public static void main(String[] args) throws Exception {
		String url = "jdbc:postgresql://?service=" + args[0];
		try (Connection c = DriverManager.getConnection(url);
				ResultSet found = c.createStatement().executeQuery(
					"select session_user, coalesce((select "
					+ "ssl from pg_stat_ssl where pid = "
					+ "pg_backend_pid())::text, 'hidden')")) {
			found.next();
			System.out.println(found.getString(1) + " "
					+ found.getString(2));
		}
	}
}
